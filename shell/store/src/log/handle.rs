//! Many requests, one writer, one fsync for all that wait together: an answer costs a share of a flush, not a flush (T4, T6).

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ledger::bundle::Bundle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::objects::Aside;

use super::writer::{LogWriter, Pending};
use super::{Appended, GROUP_BYTES_MAX, GROUP_ENTRIES_MAX, LogError, QUEUE_MAX};

/// How long a blocking caller waits before it looks again for room in the queue.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(1);

type Answer = Result<Appended, LogError>;

enum Reply {
    Blocking(SyncSender<Answer>),
    Async(oneshot::Sender<Answer>),
}

struct Request {
    pending: Pending,
    reply: Reply,
}

/// The log as the rest of the program holds it; clones share one writer. When the last clone goes, the queue is written out
/// and the lock released.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Option<mpsc::Sender<Request>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.queue.take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The writer answers every caller by itself; a panic there has nothing more to tell.
            let _ = thread.join();
        }
    }
}

impl Log {
    /// Gives the writer a thread of its own.
    pub fn start(writer: LogWriter) -> Result<Self, LogError> {
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let thread = thread::Builder::new().name("ledger".into()).spawn(move || serve(writer, requests));
        let thread = thread.map_err(|error| LogError::Stopped(error.to_string()))?;
        Ok(Self { inner: Arc::new(Inner { queue: Some(queue), thread: Mutex::new(Some(thread)) }) })
    }

    /// Blocks until the bundle is durable under a signed head. Not for use inside an async task.
    pub fn append(&self, bundle: &Bundle) -> Result<Appended, LogError> {
        let (reply, answer) = sync_channel(1);
        let mut request = Request { pending: Pending::of(bundle)?, reply: Reply::Blocking(reply) };
        loop {
            request = match self.queue()?.try_send(request) {
                Ok(()) => break,
                Err(TrySendError::Full(request)) => request,
                Err(TrySendError::Closed(_)) => return Err(stopped()),
            };
            thread::sleep(FULL_QUEUE_PAUSE);
        }
        answer.recv().map_err(|_| stopped())?
    }

    /// Resolves when the bundle is durable under a signed head. A caller that stops waiting does not take the bundle back.
    pub async fn append_async(&self, bundle: &Bundle) -> Result<Appended, LogError> {
        self.append_pending(Pending::of(bundle)?).await
    }

    /// The same for a bundle that rests on an object: the object is kept first. Where the object cannot be kept the log stops, as
    /// after any write that failed.
    pub async fn append_beside(&self, bundle: &Bundle, object: Aside) -> Result<Appended, LogError> {
        self.append_pending(Pending { beside: Some(object), ..Pending::of(bundle)? }).await
    }

    async fn append_pending(&self, pending: Pending) -> Result<Appended, LogError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { pending, reply: Reply::Async(reply) };
        self.queue()?.send(request).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    fn queue(&self) -> Result<&mpsc::Sender<Request>, LogError> {
        self.inner.queue.as_ref().ok_or_else(stopped)
    }
}

fn stopped() -> LogError {
    LogError::Stopped("its writer has ended".into())
}

fn serve(mut writer: LogWriter, mut requests: mpsc::Receiver<Request>) {
    while let Some(first) = requests.blocking_recv() {
        let mut bytes = first.pending.line.len();
        let (mut group, mut replies) = (vec![first.pending], vec![first.reply]);
        while group.len() < GROUP_ENTRIES_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(Request { pending, reply }) = requests.try_recv() else { break };
            bytes = bytes.saturating_add(pending.line.len());
            group.push(pending);
            replies.push(reply);
        }
        match writer.commit(&group) {
            Ok(appended) => replies.into_iter().zip(appended).for_each(|(reply, appended)| answer(reply, Ok(appended))),
            Err(error) => replies.into_iter().for_each(|reply| answer(reply, Err(error.clone()))),
        }
    }
}

fn answer(reply: Reply, answer: Answer) {
    // A caller that went away does not need its answer.
    match reply {
        Reply::Blocking(sender) => drop(sender.send(answer)),
        Reply::Async(sender) => drop(sender.send(answer)),
    }
}
