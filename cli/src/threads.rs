//! The threads that everything works in.
//!
//! Reading, marking, decoding and writing use rayon's global pool, so that one number governs all of them. The pool is
//! always built here: left to itself rayon builds it at first use, and panics where the system has no threads to give.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, available_parallelism};

use rayon::{ThreadBuilder, ThreadPoolBuilder};
use runmask::{Error, Result};

use crate::console::Console;

/// More threads than this are started only on a machine that runs more at once: they are of no use elsewhere, and the
/// time that starting them takes grows with the square of their number.
const MOST: usize = 256;

/// Builds the pool: so many threads, or as many as the machine runs at once; fewer, and a warning, where the system
/// refuses them.
pub(crate) fn start(asked: Option<NonZeroUsize>, console: &Console) -> Result<()> {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let asked = asked.map_or(cores, NonZeroUsize::get);
    let (idle, refused) = threads(asked.min(MOST.max(cores)));
    let started = build(idle).map_err(|source| Error::Io { context: "starting threads".into(), source })?;
    if started < asked {
        let why = refused.map_or_else(|| "this machine has no use for more".into(), |error| error.to_string());
        console.warn(&format!("{started} of {asked} threads are started: {why}"));
    }
    Ok(())
}

/// A thread that waits for its place in the pool.
type Idle = SyncSender<ThreadBuilder>;

/// Starts threads. Where the system refuses one, half of those it gave are kept: the program needs some more.
fn threads(wanted: usize) -> (Vec<Idle>, Option<io::Error>) {
    let mut idle = Vec::new();
    for number in 0..wanted {
        let (sender, receiver) = sync_channel::<ThreadBuilder>(1);
        let work = move || {
            if let Ok(place) = receiver.recv() {
                place.run();
            }
        };
        if let Err(error) = thread::Builder::new().name(format!("worker {number}")).spawn(work) {
            idle.truncate(number / 2);
            return (idle, Some(error));
        }
        idle.push(sender);
    }
    (idle, None)
}

/// Makes a pool of these threads, or of the current thread when there are none. Gives the number of its threads.
fn build(idle: Vec<Idle>) -> io::Result<usize> {
    let count = idle.len().max(1);
    let mut builder = ThreadPoolBuilder::new().num_threads(count);
    if idle.is_empty() {
        builder = builder.use_current_thread();
    }
    let mut idle = idle.into_iter();
    let builder = builder.spawn_handler(|place| {
        let sent = idle.next().is_some_and(|thread| thread.send(place).is_ok());
        if sent { Ok(()) } else { Err(io::Error::other("a thread has ended")) }
    });
    builder.build_global().map_err(io::Error::other)?;
    Ok(count)
}
