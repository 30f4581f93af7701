//! Work outside Python's lock: in a pool of threads of this process, ended by Ctrl-C.
//!
//! A process that was forked has no threads but the one that forked, so a pool of its parent would wait for ever. Pools are
//! therefore kept with the number of their process; a child forgets those of its parent, whose threads it cannot join, and
//! makes its own. All parallel work of the package goes through this module, so that nothing ever starts rayon's global pool.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// How often a waiting thread looks whether Ctrl-C was pressed.
const PATIENCE: Duration = Duration::from_millis(25);

/// More threads than any machine of today runs at once.
const MAX_THREADS: usize = 4096;

/// Becomes true when the caller wants no more.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    /// An error once the work is to end.
    pub(crate) fn check(&self) -> runmask::Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(runmask::Error::Stopped) } else { Ok(()) }
    }

    /// The same for the library's callbacks.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Ends the work.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` in the pool of so many threads, all of the machine's by default, while other Python threads run.
///
/// While it waits it looks for signals: an exception of their handlers, such as `KeyboardInterrupt`, is raised as soon as
/// the work has seen that it is to stop.
pub(crate) fn run<R: Send>(
    py: Python<'_>,
    threads: Option<usize>,
    work: impl FnOnce(&Stop) -> R + Send,
) -> PyResult<R> {
    let pool = pool(threads)?;
    let stop = Stop::default();
    let done = py.detach(|| {
        pool.in_place_scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let stop = &stop;
            // Nobody waits any more only when a signal's handler failed, and then what it raised is what counts.
            scope.spawn(move |_| drop(sender.send(work(stop))));
            wait(&receiver, stop, true)
        })
    })?;
    done.ok_or_else(ended)
}

/// Does `work` as [`run`] does, for work that may take long to see that it is to stop. An exception of a signal's handler is
/// raised at once; the work ends by itself, or goes on and its result is dropped.
pub(crate) fn alone<R: Send + 'static>(
    py: Python<'_>,
    threads: Option<usize>,
    work: impl FnOnce(&Stop) -> R + Send + 'static,
) -> PyResult<R> {
    let pool = pool(threads)?;
    let stop = Arc::new(Stop::default());
    let done = py.detach(|| {
        let (sender, receiver) = mpsc::channel();
        let of_work = Arc::clone(&stop);
        pool.spawn(move || drop(sender.send(work(&of_work))));
        wait(&receiver, &stop, false)
    });
    if done.is_err() {
        // What goes on must not be waited for by the calls that follow: they get threads of their own.
        POOLS.lock().unwrap_or_else(PoisonError::into_inner).pools.remove(&threads.unwrap_or(0));
    }
    done?.ok_or_else(ended)
}

/// Does `work` on this thread and, as soon as they are awake, on the others of the machine, and gives what each of them
/// gives: for pieces that whoever is free takes next, which together take little more time than another thread needs to wake.
///
/// What `work` is given is an error once it is to stop. On this thread it looks for signals, whose exceptions are raised when
/// all threads have ended.
pub(crate) fn share<R: Send>(py: Python<'_>, work: impl Fn(Go<'_>) -> R + Sync) -> PyResult<Vec<R>> {
    let pool = pool(None)?;
    let stop = Stop::default();
    let (mut raised, mut looked) = (None, Instant::now());
    let mut go = || {
        if looked.elapsed() >= PATIENCE {
            looked = Instant::now();
            if let Err(error) = Python::attach(|py| py.check_signals()) {
                raised.get_or_insert(error);
                stop.ask();
            }
        }
        stop.check()
    };
    let done = py.detach(|| {
        let done = Mutex::new(Vec::new());
        let keep = |result| done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        pool.in_place_scope(|scope| {
            for _ in 1..pool.current_num_threads() {
                scope.spawn(|_| keep(work(&mut || stop.check())));
            }
            keep(work(&mut go));
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner)
    });
    raised.map_or(Ok(done), Err)
}

/// An error once the work is to stop.
pub(crate) type Go<'a> = &'a mut dyn FnMut() -> runmask::Result<()>;

/// The result of the work, which is told to stop when a signal's handler raises something. That is raised when the work has
/// ended, or at once.
fn wait<R>(receiver: &Receiver<R>, stop: &Stop, to_the_end: bool) -> PyResult<Option<R>> {
    let mut raised = None;
    loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok(result) => return raised.map_or(Ok(Some(result)), Err),
            Err(RecvTimeoutError::Timeout) => {
                if raised.is_none()
                    && let Err(error) = Python::attach(|py| py.check_signals())
                {
                    stop.ask();
                    if !to_the_end {
                        return Err(error);
                    }
                    raised = Some(error);
                }
            }
            // The work panicked.
            Err(RecvTimeoutError::Disconnected) => return raised.map_or(Ok(None), Err),
        }
    }
}

fn ended() -> PyErr {
    PyRuntimeError::new_err("the work ended without a result")
}

/// The pools of a process by their number of threads; 0 stands for all of the machine's.
struct Pools {
    process: u32,
    pools: BTreeMap<usize, Arc<ThreadPool>>,
}

/// Locked only while Python's lock is held: nobody can fork while another thread is in here.
static POOLS: Mutex<Pools> = Mutex::new(Pools { process: 0, pools: BTreeMap::new() });

fn pool(threads: Option<usize>) -> PyResult<Arc<ThreadPool>> {
    match threads {
        Some(0) => return Err(PyValueError::new_err("threads: at least 1, found 0")),
        Some(threads) if threads > MAX_THREADS => {
            return Err(PyValueError::new_err(format!("threads: at most {MAX_THREADS}, found {threads}")));
        }
        _ => {}
    }
    let threads = threads.unwrap_or(0);
    let mut kept = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if kept.process != process {
        std::mem::forget(std::mem::take(&mut kept.pools));
        kept.process = process;
    }
    if let Some(pool) = kept.pools.get(&threads) {
        return Ok(Arc::clone(pool));
    }
    let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("runmask-{index}"));
    // Whoever waits for work that panicked hears of it; without a handler the process would abort.
    let pool = builder.panic_handler(drop).build();
    let pool = Arc::new(pool.map_err(|error| PyRuntimeError::new_err(format!("starting threads: {error}")))?);
    kept.pools.insert(threads, Arc::clone(&pool));
    Ok(pool)
}
