//! Processes and figures, over a node that is made up.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;

use super::{Fake, later, serve};
use crate::api::{
    KindStatus, MonitorStatus, NodeFigures, PluginFigures, ProcessCounts, ProcessDetail, ProcessDone, ProcessFilter,
    ProcessOp, ProcessPage, ProcessSort, ProcessState, ProcessStatus, ProcessTotals, SocketTotals, TimerStatus,
};
use crate::client::Client;
use crate::control::{ControlError, ControlFuture, ProcessControl};
use crate::server::AdminServer;

/// A name that a path or a query must not take apart.
const NAME: &str = "cart:42/..?&= \u{e4}";
/// Processes that the fake gives at once.
const PAGE: usize = 1000;

/// 2,500 carts, one in ten of which has a name, and all that was done with them.
pub(super) struct Processes {
    all: Vec<ProcessStatus>,
    done: Arc<Mutex<Vec<(String, ProcessOp)>>>,
}

impl Default for Processes {
    fn default() -> Self {
        Self { all: (0..2500).map(cart).collect(), done: Arc::default() }
    }
}

fn cart(number: u64) -> ProcessStatus {
    ProcessStatus {
        pid: format!("shop/cart/{number:013}"),
        plugin: "shop".to_owned(),
        kind: "cart".to_owned(),
        name: (number.is_multiple_of(10)).then(|| if number == 0 { NAME.to_owned() } else { format!("cart:{number}") }),
        state: if number.is_multiple_of(2) { ProcessState::Asleep } else { ProcessState::GaveUp },
        mailbox: number,
        memory: 100,
        messages: number * 2,
        crashes: number % 3,
        trouble: (!number.is_multiple_of(2)).then(|| "trap\n at f".to_owned()),
    }
}

fn totals() -> ProcessTotals {
    ProcessTotals { processes: 2500, processes_max: 1_000_000, live: 7, live_max: 10_000, ..ProcessTotals::default() }
}

impl Processes {
    fn find(&self, process: &str) -> Result<&ProcessStatus, ControlError> {
        let named = |status: &ProcessStatus| {
            process.strip_prefix("shop/").is_some_and(|name| status.name.as_deref() == Some(name))
        };
        let found = self.all.iter().find(|status| status.pid == process).or_else(|| self.all.iter().find(|s| named(s)));
        found
            .ok_or_else(|| ControlError::NotFound(format!("there is no process `{process}`; near it is: shop/cart:10")))
    }

    pub(super) fn figures(&self) -> NodeFigures {
        let shop = PluginFigures { name: "shop".to_owned(), calls: 5, processes: 2500, ..PluginFigures::default() };
        NodeFigures {
            name: "n".to_owned(),
            uptime_ms: 7,
            cores: 2,
            plugins: vec![shop],
            processes: Some(totals()),
            sockets: Some(SocketTotals { sockets: 9, sockets_max: 200_000, slow: 1, ..SocketTotals::default() }),
            ..NodeFigures::default()
        }
    }
}

fn passes(filter: &ProcessFilter, process: &ProcessStatus) -> bool {
    filter.kind.as_ref().is_none_or(|kind| *kind == process.kind)
        && filter.state.is_none_or(|state| state == process.state)
        && filter
            .prefix
            .as_ref()
            .is_none_or(|prefix| process.name.as_ref().is_some_and(|name| name.starts_with(prefix)))
}

impl ProcessControl for Processes {
    fn processes(
        &self,
        filter: ProcessFilter,
        sort: ProcessSort,
        cursor: Option<String>,
        limit: usize,
    ) -> ControlFuture<ProcessPage> {
        if let Some(plugin) = filter.plugin.as_ref().filter(|plugin| *plugin != "shop") {
            return later(Err(ControlError::NotFound(format!("there is no plugin `{plugin}`; there are: shop"))));
        }
        let Ok(skip) = cursor.map_or(Ok(0), |cursor| cursor.parse::<usize>()) else {
            return later(Err(ControlError::Refused("this is no cursor".to_owned())));
        };
        assert!((1..=PAGE).contains(&limit), "the server asks for no more than a page");
        let mut all: Vec<_> = self.all.iter().filter(|process| passes(&filter, process)).cloned().collect();
        match sort {
            ProcessSort::Mailbox => all.sort_by_key(|process| std::cmp::Reverse(process.mailbox)),
            ProcessSort::Messages => all.sort_by_key(|process| std::cmp::Reverse(process.messages)),
            ProcessSort::Crashes => all.sort_by_key(|process| std::cmp::Reverse(process.crashes)),
            ProcessSort::Name | ProcessSort::Memory => {}
        }
        let (total, end) = (all.len(), skip + limit);
        let cursor = (end < total).then(|| end.to_string());
        let processes = all.into_iter().skip(skip).take(limit).collect();
        later(Ok(ProcessPage { processes, total: total as u64, cursor }))
    }

    fn process(&self, process: String) -> ControlFuture<ProcessDetail> {
        let found = self.find(&process).cloned();
        later(found.map(|process| ProcessDetail {
            process,
            persistence: "durable".to_owned(),
            version: 3,
            upgrade_failed: Some("load: trap".to_owned()),
            keeps_before: true,
            idle_ms: 5,
            again_in_ms: None,
            timers: vec![TimerStatus { id: 1, due_in_ms: 250 }],
            monitors: vec![MonitorStatus { reference: 9, pid: "bank/account/1".to_owned() }],
            watchers: 2,
            links: Vec::new(),
            traps_exits: false,
            subscriptions: vec!["shop/orders:*".to_owned()],
            late: 1,
            waits_for: None,
        }))
    }

    fn operate_process(&self, process: String, op: ProcessOp) -> ControlFuture<ProcessDone> {
        let found = self.find(&process).map(|found| ProcessDone { pid: found.pid.clone(), name: found.name.clone() });
        if let Ok(done) = &found {
            self.done.lock().unwrap().push((done.pid.clone(), op));
        }
        later(found)
    }

    fn process_kinds(&self) -> ControlFuture<Vec<KindStatus>> {
        later(Ok(vec![carts()]))
    }
}

fn carts() -> KindStatus {
    KindStatus {
        plugin: "shop".to_owned(),
        kind: "cart".to_owned(),
        persistence: "durable".to_owned(),
        counts: ProcessCounts::of([0, 0, 0, 1250, 0, 0, 1250, 0]),
        max: 100_000,
    }
}

async fn start() -> (AdminServer, Client) {
    serve(Fake { processes: Some(Processes::default()), ..Fake::default() }).await
}

#[tokio::test]
async fn processes_are_listed_page_by_page() {
    let (_server, client) = start().await;
    let all = ProcessFilter::default();
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        // More than a page is not given, however much is asked for.
        let page = client.processes(&all, ProcessSort::Mailbox, cursor.as_deref(), 5000).await.unwrap();
        assert!(page.processes.len() <= PAGE && page.total == 2500);
        seen.extend(page.processes.into_iter().map(|process| process.mailbox));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..2500).rev().collect::<Vec<_>>());
    assert_eq!(client.processes(&all, ProcessSort::Name, None, 0).await.unwrap().processes.len(), 1);
}

#[tokio::test]
async fn processes_are_listed_by_what_they_are() {
    let (_server, client) = start().await;
    let (plugin, kind, prefix) = (Some("shop".to_owned()), Some("cart".to_owned()), Some(NAME.to_owned()));
    let filter = ProcessFilter { plugin, kind, prefix, state: Some(ProcessState::Asleep) };
    let page = client.processes(&filter, ProcessSort::Crashes, None, 10).await.unwrap();
    assert_eq!(page, ProcessPage { processes: vec![cart(0)], total: 1, cursor: None });
    let nobody = ProcessFilter { state: Some(ProcessState::BackingOff), ..filter.clone() };
    assert_eq!(client.processes(&nobody, ProcessSort::Name, None, 10).await.unwrap(), ProcessPage::default());
    let elsewhere = ProcessFilter { plugin: Some("shop&kind=x".to_owned()), ..filter };
    let error = client.processes(&elsewhere, ProcessSort::Name, None, 10).await.unwrap_err().to_string();
    assert_eq!(error, "there is no plugin `shop&kind=x`; there are: shop");
    assert_eq!(client.process_kinds(None).await.unwrap(), [carts()]);
    assert_eq!(client.process_kinds(Some("shop")).await.unwrap(), [carts()]);
    assert_eq!(client.process_kinds(Some("mail")).await.unwrap(), []);
}

#[tokio::test]
async fn a_process_is_reached_by_its_pid_and_by_its_name() {
    let (_server, client) = start().await;
    let named = client.process(&format!("shop/{NAME}")).await.unwrap();
    assert_eq!((named.process.pid.as_str(), named.timers.len()), ("shop/cart/0000000000000", 1));
    assert_eq!(client.process(&named.process.pid).await.unwrap(), named);
    let missing = client.process("shop/cart:11").await.unwrap_err().to_string();
    assert_eq!(missing, "there is no process `shop/cart:11`; near it is: shop/cart:10");
    for no_process in ["shop", "kinds", "/cart", "shop/"] {
        let error = client.process(no_process).await.unwrap_err().to_string();
        assert!(error.contains("write its pid or PLUGIN/NAME"), "{error}");
    }
}

#[tokio::test]
async fn each_word_does_what_it_says_to_the_process_it_names() {
    let processes = Processes::default();
    let seen = Arc::clone(&processes.done);
    let (_server, client) = serve(Fake { processes: Some(processes), ..Fake::default() }).await;
    for op in [ProcessOp::Kill, ProcessOp::Restart, ProcessOp::Stop] {
        let done = client.operate_process("shop/cart:10", op).await.unwrap();
        assert_eq!(done, ProcessDone { pid: "shop/cart/0000000000010".to_owned(), name: Some("cart:10".to_owned()) });
        assert!(client.operate_process("shop/gone", op).await.unwrap_err().to_string().contains("near it is"));
    }
    let pid = "shop/cart/0000000000010".to_owned();
    let expected = [ProcessOp::Kill, ProcessOp::Restart, ProcessOp::Stop].map(|op| (pid.clone(), op));
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_is_misspelt_is_refused() {
    let (_server, client) = start().await;
    for (method, path, expected) in [
        (Method::GET, "/api/processes?sort=cpu", "processes cannot be sorted by `cpu`; there are: name, mailbox"),
        (Method::GET, "/api/processes?state=dead", "a process has no state `dead`; there are: starting, idle"),
        (Method::GET, "/api/processes?plugn=shop", "unknown field `plugn`"),
        (Method::GET, "/api/processes?limit=-1", "invalid digit"),
        (Method::GET, "/api/processes?cursor=x", "this is no cursor"),
    ] {
        let error = client.send(method, path, Bytes::new()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{path}: {error}");
    }
    // Looking at a process changes nothing, and there is no other word for it.
    assert!(client.send(Method::GET, "/api/processes/shop%2Fcart:10/kill", Bytes::new()).await.is_err());
}

#[tokio::test]
async fn a_node_tells_its_figures() {
    let (_server, client) = start().await;
    assert_eq!(client.figures().await.unwrap(), Processes::default().figures());
}

#[tokio::test]
async fn a_node_without_processes_says_so() {
    let (_server, client) = serve(Fake::default()).await;
    for error in [
        client.processes(&ProcessFilter::default(), ProcessSort::Name, None, 1).await.unwrap_err(),
        client.process("shop/x").await.unwrap_err(),
        client.operate_process("shop/x", ProcessOp::Kill).await.unwrap_err(),
        client.process_kinds(None).await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "this node has no processes");
    }
    assert_eq!(client.figures().await.unwrap_err().to_string(), "this node counts nothing");
}
