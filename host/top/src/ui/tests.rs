//! What keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use skep_admin::api::{NodeFigures, ProcessPage, ProcessSort, ProcessState, ProcessStatus};

use super::{Action, Mode, Ui};
use crate::gather::{Snapshot, Wish};
use crate::picture::Picture;

fn process(number: u64) -> ProcessStatus {
    ProcessStatus {
        pid: format!("shop/cart/{number}"),
        plugin: "shop".to_owned(),
        kind: "cart".to_owned(),
        name: (number == 1).then(|| "main".to_owned()),
        state: ProcessState::Idle,
        mailbox: 0,
        memory: 0,
        messages: 0,
        crashes: 0,
        trouble: None,
    }
}

fn picture(numbers: &[u64]) -> Picture {
    let processes = numbers.iter().copied().map(process).collect();
    let page = ProcessPage { processes, total: 0, cursor: None };
    Picture::of(Snapshot { figures: NodeFigures::default(), processes: Ok(page), queues: None })
}

fn press(ui: &mut Ui, code: KeyCode, picture: &Picture) -> Option<Action> {
    ui.key(KeyEvent::new(code, KeyModifiers::NONE), picture)
}

fn write(ui: &mut Ui, text: &str) {
    text.chars().for_each(|letter| assert_eq!(press(ui, KeyCode::Char(letter), &picture(&[])), None));
}

#[test]
fn it_ends_by_q_and_by_control_c_only() {
    let (mut ui, picture) = (Ui::default(), picture(&[1]));
    assert_eq!(press(&mut ui, KeyCode::Esc, &picture), None);
    assert_eq!(press(&mut ui, KeyCode::Char('q'), &picture), Some(Action::Quit));
    let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    released.kind = KeyEventKind::Release;
    assert_eq!(ui.key(released, &picture), None);
    press(&mut ui, KeyCode::Char('/'), &picture);
    assert_eq!(press(&mut ui, KeyCode::Char('q'), &picture), None, "it is a letter here");
    assert_eq!(ui.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL), &picture), Some(Action::Quit));
}

#[test]
fn the_order_goes_round_both_ways() {
    let (mut ui, picture) = (Ui::default(), picture(&[]));
    let mut seen = vec![ui.wish.sort];
    for _ in 0..ProcessSort::ALL.len() {
        assert_eq!(press(&mut ui, KeyCode::Char('s'), &picture), Some(Action::Look));
        seen.push(ui.wish.sort);
    }
    assert_eq!(seen[..5], ProcessSort::ALL);
    assert_eq!(seen[5], ProcessSort::Name);
    press(&mut ui, KeyCode::Char('S'), &picture);
    assert_eq!(ui.wish.sort, ProcessSort::Crashes);
}

#[test]
fn a_filter_counts_when_it_is_done() {
    let (mut ui, picture) = (Ui::default(), picture(&[]));
    press(&mut ui, KeyCode::Char('/'), &picture);
    write(&mut ui, "shop/cärx");
    press(&mut ui, KeyCode::Backspace, &picture);
    assert_eq!((ui.mode.clone(), ui.wish.filter.as_str()), (Mode::Filter("shop/cär".to_owned()), ""));
    assert_eq!(press(&mut ui, KeyCode::Enter, &picture), Some(Action::Look));
    assert_eq!((&ui.mode, ui.wish.filter.as_str()), (&Mode::Normal, "shop/cär"));
    // Again, and left as it was.
    press(&mut ui, KeyCode::Char('/'), &picture);
    write(&mut ui, "x");
    assert_eq!((press(&mut ui, KeyCode::Esc, &picture), ui.wish.filter.as_str()), (None, "shop/cär"));
    press(&mut ui, KeyCode::Char('/'), &picture);
    assert_eq!(press(&mut ui, KeyCode::Enter, &picture), None, "nothing else is wanted");
    assert_eq!(press(&mut ui, KeyCode::Esc, &picture), Some(Action::Look));
    assert_eq!(ui.wish, Wish::default());
    press(&mut ui, KeyCode::Char('/'), &picture);
    write(&mut ui, &"x".repeat(1000));
    press(&mut ui, KeyCode::Enter, &picture);
    assert_eq!(ui.wish.filter.len(), 320);
}

#[test]
fn who_is_chosen_stays_chosen_when_it_moves() {
    let mut ui = Ui::default();
    let row = |ui: &Ui, picture: &Picture| ui.row(&picture.now.processes.as_ref().unwrap().processes);
    let first = picture(&[1, 2, 3]);
    assert_eq!((row(&ui, &first), row(&ui, &picture(&[]))), (Some(0), None));
    press(&mut ui, KeyCode::Down, &first);
    assert_eq!((row(&ui, &first), row(&ui, &picture(&[2, 3, 1]))), (Some(1), Some(0)));
    // One that is gone leaves the choice where it was, as far as there are lines.
    assert_eq!((row(&ui, &picture(&[1, 4, 5])), row(&ui, &picture(&[7]))), (Some(1), Some(0)));
    for (code, expected) in [
        (KeyCode::End, 2),
        (KeyCode::Down, 2),
        (KeyCode::PageUp, 0),
        (KeyCode::Up, 0),
        (KeyCode::PageDown, 2),
        (KeyCode::Home, 0),
    ] {
        press(&mut ui, code, &first);
        assert_eq!(row(&ui, &first), Some(expected), "{code:?}");
    }
    press(&mut ui, KeyCode::Down, &picture(&[]));
}

#[test]
fn a_process_is_killed_after_a_yes_only() {
    for no in [KeyCode::Char('n'), KeyCode::Enter, KeyCode::Esc, KeyCode::Char('k')] {
        let (mut ui, picture) = (Ui::default(), picture(&[1, 2]));
        assert_eq!(press(&mut ui, KeyCode::Char('k'), &picture), None);
        assert_eq!(press(&mut ui, no, &picture), None);
        assert_eq!((&ui.mode, ui.notice.as_deref()), (&Mode::Normal, Some("not killed")));
    }
    let mut ui = Ui::default();
    press(&mut ui, KeyCode::Char('k'), &picture(&[1, 2]));
    assert_eq!(ui.mode, Mode::Kill { pid: "shop/cart/1".to_owned(), shown: "shop/main".to_owned() });
    // The list has changed in between; it was asked about this one.
    assert_eq!(press(&mut ui, KeyCode::Char('y'), &picture(&[2])), Some(Action::Kill("shop/cart/1".to_owned())));
    press(&mut ui, KeyCode::Char('k'), &picture(&[]));
    assert_eq!((&ui.mode, ui.notice.as_deref()), (&Mode::Normal, Some("there is no process to kill")));
}
