//! Interrupts: temporary files go, then the program ends.
//!
//! A signal that is ignored when the program starts stays ignored: a batch under nohup outlives its terminal.

use std::io;

use runmask::output::abandon_all;
use runmask::{Error, Result};

/// The exit status after SIGINT and its like: what shells report for a program that the signal ended.
const INTERRUPTED: i32 = 130;

/// From now on an interrupt removes temporary files and ends the program.
pub(crate) fn clean_up_when_interrupted() -> Result<()> {
    listen().map_err(|source| Error::Io { context: "starting a thread that waits for interrupts".into(), source })
}

fn end() {
    abandon_all(|| std::process::exit(INTERRUPTED));
}

#[cfg(unix)]
fn listen() -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let ignored = ignored();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| match ignored {
        Some(mask) => mask >> (signal - 1) & 1 == 0,
        // The system does not say whether nohup has it ignored. If not, it ends the program by itself.
        None => *signal != SIGHUP,
    });
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    std::thread::Builder::new().name("interrupts".into()).spawn(move || {
        if signals.forever().next().is_some() {
            end();
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn listen() -> io::Result<()> {
    ctrlc::set_handler(end).map_err(io::Error::other)
}

/// The signals that the program ignores, the bit `n - 1` being signal `n`, where the system tells.
#[cfg(unix)]
fn ignored() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}
