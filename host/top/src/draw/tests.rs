//! Screens, as a terminal shows them.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use skep_admin::api::{
    JobCounts, NodeFigures, PluginFigures, ProcessPage, ProcessSort, ProcessState, ProcessStatus, ProcessTotals,
    QueueStatus, SocketTotals,
};

use super::draw;
use crate::gather::{Snapshot, Wish};
use crate::picture::Picture;
use crate::ui::{Mode, Ui};

fn plugin(name: &str, calls: u64) -> PluginFigures {
    PluginFigures {
        name: name.to_owned(),
        state: "running".to_owned(),
        revision: Some("0123456789abcdef".to_owned()),
        calls,
        running: 3,
        processes: 2,
        ..PluginFigures::default()
    }
}

fn process(number: u64, name: Option<&str>) -> ProcessStatus {
    ProcessStatus {
        pid: format!("shop/cart/{number:013}"),
        plugin: "shop".to_owned(),
        kind: "cart".to_owned(),
        name: name.map(str::to_owned),
        state: ProcessState::Idle,
        mailbox: number,
        memory: 2048,
        messages: 100 * number,
        crashes: 0,
        trouble: None,
    }
}

fn look(uptime_ms: u64, calls: u64) -> Snapshot {
    let totals = ProcessTotals {
        processes: 1_000_000,
        processes_max: 2_000_000,
        live: 10_000,
        live_max: 10_000,
        state_bytes: 1 << 20,
        state_bytes_max: 1 << 30,
        waking: 5,
        messages: calls * 2,
        ..ProcessTotals::default()
    };
    let figures = NodeFigures {
        name: "node-1".to_owned(),
        version: "0.1.0".to_owned(),
        uptime_ms,
        cores: 2,
        cpu_ms: Some(calls / 2),
        rss_bytes: Some(120 << 20),
        memory_bytes: Some(24 << 30),
        plugins: vec![plugin("bank", calls / 2), plugin("mail", 0), plugin("shop", calls)],
        processes: Some(totals),
        sockets: None,
    };
    let mut broken = process(9, Some("eu/1"));
    (broken.state, broken.crashes, broken.trouble) = (ProcessState::GaveUp, 11, Some("trap:\n\u{1b}[2J".to_owned()));
    let processes = vec![broken, process(calls / 100, None), process(1, Some("main"))];
    let queue =
        QueueStatus { counts: JobCounts::of([0, 4, 12, 3, 1, 0, 0, 2]), paused: true, ..QueueStatus::default() };
    Snapshot {
        figures,
        processes: Ok(ProcessPage { processes, total: 1_000_000, cursor: None }),
        queues: Some(vec![queue, QueueStatus::default()]),
    }
}

fn picture() -> Picture {
    Picture::of(look(100_000, 1000)).then(look(102_000, 3000))
}

fn terminal(picture: &Picture, ui: &Ui, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, picture, ui)).unwrap();
    terminal
}

fn lines(terminal: &Terminal<TestBackend>) -> Vec<String> {
    let buffer = terminal.backend().buffer();
    let width = usize::from(buffer.area.width);
    let cells: Vec<_> = buffer.content.iter().map(|cell| cell.symbol().to_owned()).collect();
    cells.chunks(width).map(|line| line.concat().trim_end().to_owned()).collect()
}

fn screen(picture: &Picture, ui: &Ui) -> Vec<String> {
    lines(&terminal(picture, ui, 110, 17))
}

#[test]
fn a_node_at_work() {
    let expected = [
        "node-1  skep 0.1.0  up 1m42s  cpu 50% of 2 cores  rss 120.0 MiB of 24.0 GiB",
        "calls 1,500/s  running 9  waiting 0",
        "processes 1.0M of 2.0M  live 10.0k of 10.0k  states 1.0 MiB of 1.0 GiB  messages 2,000/s  waiting to wake 5",
        "PLUGIN                              STATE    REVISION           CALLS/S  FAILED/S  RUNNING  WAITING  PROCESSES",
        "shop                                running  0123456789abcdef     1,000         0        3        0          2",
        "bank                                running  0123456789abcdef       500         0        3        0          2",
        "mail                                running  0123456789abcdef         0         0        3        0          2",
        "",
        "jobs  available 12  executing 3  scheduled 4  retryable 1  discarded 2  in 2 queues, 1 paused",
        "",
        "processes  by mailbox  first 3 of 1.0M",
        "PROCESS                       KIND       STATE       MAILBOX     MEMORY MESSAGES  MSG/S CRASHES TROUBLE",
        "shop/eu/1                     cart       gave-up           9    2.0 KiB      900      0      11 trap:\\n\\u{1b}[",
        "shop/cart/0000000000030       cart       idle             30    2.0 KiB    3,000      -       0",
        "shop/main                     cart       idle              1    2.0 KiB      100      0       0",
        "",
        "q quit  s sort  / filter  ↑↓ choose  k kill",
    ];
    let ui = Ui::new(Wish { sort: ProcessSort::Mailbox, filter: String::new() });
    let lines = screen(&picture(), &ui);
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
}

#[test]
fn sockets_have_a_line_where_there_are_any() {
    let with = |opened, slow| {
        let mut look = look(100_000 + opened, 1000);
        look.figures.sockets = Some(SocketTotals {
            sockets: 1200,
            sockets_max: 1_000_000,
            longpoll: 3,
            opened,
            joins: 2 * opened,
            crashes: slow,
            slow,
            ..SocketTotals::default()
        });
        look
    };
    let quiet = screen(&Picture::of(with(0, 0)), &Ui::default());
    assert!(quiet[3].starts_with("PLUGIN"), "{}", quiet[3]);
    let busy = screen(&Picture::of(with(2000, 0)).then(with(4000, 4)), &Ui::default());
    let line =
        "sockets 1,200 of 1.0M  longpoll 3  opened 1,000/s  joins 2,000/s  closed as slow 4  channels crashed 2.0/s";
    assert_eq!(busy[3], line);
    assert!(busy[4].starts_with("PLUGIN"), "{}", busy[4]);
}

#[test]
fn a_narrow_terminal_keeps_names_and_numbers() {
    let lines = lines(&terminal(&picture(), &Ui::default(), 80, 17));
    assert_eq!(lines[4], "shop                   running      1,000         0        3        0          2");
    assert_eq!(lines[11], "PROCESS                   STATE       MAILBOX     MEMORY MESSAGES  MSG/S CRASHES");
    assert_eq!(lines[13], "shop/cart/0000000000030   idle             30    2.0 KiB    3,000      -       0");
}

#[test]
fn a_very_narrow_terminal_keeps_names_whole() {
    let lines = lines(&terminal(&picture(), &Ui::default(), 50, 17));
    assert_eq!(lines[4], "shop                  running      1,000         0");
    assert_eq!(lines[11], "PROCESS                 STATE       MAILBOX  MSG/S");
    assert_eq!(lines[13], "shop/cart/0000000000030 idle             30      -");
}

#[test]
fn the_first_look_knows_no_speed() {
    let lines = screen(&Picture::of(look(100_000, 1000)), &Ui::default());
    assert!(lines[0].contains("cpu - of 2 cores"), "{}", lines[0]);
    assert_eq!(lines[1], "calls -/s  running 9  waiting 0");
    assert!(lines[4].starts_with("bank ") && lines[4].contains(" - "), "{}", lines[4]);
}

#[test]
fn what_the_keys_mean_stands_at_the_bottom() {
    let last = |ui: &Ui| screen(&picture(), ui).pop().unwrap();
    let mut ui = Ui::default();
    (ui.mode, ui.notice) = (Mode::Filter("shop/ca".to_owned()), Some("x".to_owned()));
    assert_eq!(last(&ui), "filter (PLUGIN/PREFIX, or PREFIX; enter, esc): shop/ca_");
    ui.mode = Mode::Kill { pid: "shop/cart/1".to_owned(), shown: "shop/main\n".to_owned() };
    assert_eq!(last(&ui), "kill it? y/n  what it does now is lost: shop/main\\n");
    ui.mode = Mode::Normal;
    assert_eq!(last(&ui), "x");
    ui.wish.filter = "eu/".to_owned();
    assert_eq!(screen(&picture(), &ui)[10], "processes  by name  filter eu/  first 3 of 1.0M");
}

#[test]
fn the_chosen_line_is_on_the_screen_and_trouble_has_a_colour() {
    let many = (0..200).map(|number| process(number, None)).collect();
    let mut picture = picture();
    picture.now.processes = Ok(ProcessPage { processes: many, total: 200, cursor: None });
    let mut ui = Ui::default();
    for _ in 0..5 {
        let key = crossterm::event::KeyCode::PageDown.into();
        ui.key(key, &picture);
    }
    let terminal = terminal(&picture, &ui, 110, 17);
    let shown = lines(&terminal);
    let row = shown.iter().position(|line| line.starts_with("shop/cart/0000000000050")).unwrap();
    let cell = |row: usize| terminal.backend().buffer()[(0, u16::try_from(row).unwrap())].clone();
    assert!(cell(row).modifier.contains(Modifier::REVERSED) && !cell(row - 1).modifier.contains(Modifier::REVERSED));
    let with_trouble = super::tests::picture();
    let terminal = super::tests::terminal(&with_trouble, &Ui::default(), 110, 17);
    assert_eq!(terminal.backend().buffer()[(0, 12)].fg, Color::Red);
}

#[test]
fn a_node_that_has_little_to_say() {
    let figures = NodeFigures { name: "n".to_owned(), ..NodeFigures::default() };
    let why = "there is no plugin `shp`; there are: shop".to_owned();
    let picture = Picture::of(Snapshot { figures, processes: Err(why.clone()), queues: None });
    let lines = screen(&picture, &Ui::default());
    assert_eq!(lines[0], "n  skep   up 0ms  cpu - of 0 cores  rss -");
    assert!(lines.contains(&why) && !lines.iter().any(|line| line.contains("jobs")), "{lines:#?}");
}

#[test]
fn more_plugins_than_lines_are_counted() {
    let mut picture = picture();
    picture.now.figures.plugins = (0..30).map(|at| plugin(&format!("p{at:02}"), 0)).collect();
    let lines = lines(&terminal(&picture, &Ui::default(), 110, 30));
    assert!(lines[3].starts_with("PLUGIN (and 22 more)"), "{}", lines[3]);
    assert_eq!(lines.iter().filter(|line| line.starts_with('p') && line.contains("running")).count(), 8);
}

#[test]
fn any_size_of_a_terminal_will_do() {
    let mut hostile = picture();
    hostile.now.figures.name = "\u{202e}\u{0}ä\u{1f41d}".repeat(100);
    for (width, height) in [(0, 0), (1, 1), (3, 2), (20, 5), (80, 24), (500, 3), (2, 200)] {
        for picture in [&picture(), &hostile] {
            for mode in [Mode::Normal, Mode::Filter("\u{1f41d}".repeat(80))] {
                let mut ui = Ui::default();
                ui.mode = mode;
                terminal(picture, &ui, width, height);
            }
        }
    }
}
