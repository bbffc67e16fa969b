//! A call that is on its way to its answer, and goes home when it becomes long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Response;
use skep_types::Failure;

use crate::body::CallBody;
use crate::home::AtHome;
use crate::stats::CallStats;

type Answer = Result<Response<CallBody>, Failure>;

/// A call that is on its way to its answer. It begins where it is polled, and goes on at [`Home`](crate::Home) once it has used up a
/// slice of fuel. Dropping it cancels the call.
pub struct Handling(Place);

/// Where it is.
enum Place {
    Here { call: Pin<Box<dyn Future<Output = Answer> + Send>>, stats: Arc<CallStats> },
    Home(AtHome<Response<CallBody>>),
}

impl Handling {
    pub(crate) fn new(call: Pin<Box<dyn Future<Output = Answer> + Send>>, stats: Arc<CallStats>) -> Self {
        Self(Place::Here { call, stats })
    }
}

impl Future for Handling {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        if let Place::Here { call, stats } = &mut self.0 {
            if let Poll::Ready(answer) = call.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            let Some(home) = stats.wanted_at().cloned() else { return Poll::Pending };
            let call = std::mem::replace(call, Box::pin(std::future::pending()));
            self.0 = Place::Home(home.run(call));
        }
        match &mut self.0 {
            Place::Home(call) => Pin::new(call).poll(cx),
            Place::Here { .. } => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Mutex;
    use std::thread::ThreadId;

    use skep_types::{FailureKind, Phase};
    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::oneshot;

    use super::*;
    use crate::home::Home;

    /// A home with a worker, and its thread.
    fn home() -> (Runtime, Home, ThreadId) {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (home, worker) = runtime.block_on(async {
            let worker = tokio::spawn(async { std::thread::current().id() });
            (Home::here(), worker.await.unwrap())
        });
        (runtime, home, worker)
    }

    /// The threads on which a call is polled that ends with its second turn, and becomes long in its first or does not.
    fn threads(home: &Home, becomes_long: bool) -> Vec<ThreadId> {
        let threads = Arc::new(Mutex::new(Vec::new()));
        let stats = Arc::new(CallStats::of_some_call(0));
        let call = {
            let (home, threads, stats) = (home.clone(), Arc::clone(&threads), Arc::clone(&stats));
            poll_fn(move |cx| {
                let mut threads = threads.lock().unwrap();
                threads.push(std::thread::current().id());
                if threads.len() == 2 {
                    return Poll::Ready(Err(Failure::new(FailureKind::Trap, Phase::Handle, "its own end")));
                }
                if becomes_long {
                    stats.send_to(&home);
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
        };
        let event_loop = Builder::new_current_thread().build().unwrap();
        let ended = event_loop.block_on(Handling::new(Box::pin(call), stats));
        assert_eq!(ended.err().map(|failure| failure.detail), Some("its own end".to_owned()));
        Arc::into_inner(threads).unwrap().into_inner().unwrap()
    }

    #[test]
    fn a_call_goes_home_when_it_becomes_long_and_not_before() {
        let (_runtime, home, worker) = home();
        let event_loop = std::thread::current().id();
        assert_eq!(threads(&home, false), [event_loop, event_loop]);
        assert_eq!(threads(&home, true), [event_loop, worker]);
    }

    #[test]
    fn a_call_at_home_is_cancelled_with_its_handling() {
        let (_runtime, home, _) = home();
        let stats = Arc::new(CallStats::of_some_call(0));
        let (held, cancelled) = oneshot::channel::<()>();
        let call = {
            let (home, stats) = (home, Arc::clone(&stats));
            async move {
                let _held = held;
                stats.send_to(&home);
                std::future::pending().await
            }
        };
        let event_loop = Builder::new_current_thread().build().unwrap();
        event_loop.block_on(async {
            let mut handling = Handling::new(Box::pin(call), stats);
            let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut handling).poll(cx).is_pending())).await;
            assert!(polled && matches!(handling.0, Place::Home(_)));
            drop(handling);
            assert!(cancelled.await.is_err());
        });
    }
}
