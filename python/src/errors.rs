//! The library's errors as Python's exceptions.
//!
//! | error | exception |
//! |---|---|
//! | a file's bytes | `FormatError`, a `ValueError` with `file`, `place`, `expected`, `found` |
//! | the environment | `OSError` or the subclass for its number, with the file's name |
//! | memory | `MemoryError` |
//! | an engine | `RuntimeError` |
//! | everything else | `ValueError` |

use std::io::ErrorKind;
use std::path::Path;

use pyo3::create_exception;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use runmask::{Error, Remedy};

create_exception!(
    runmask,
    FormatError,
    PyValueError,
    "A file or a text whose content is not what its format asks for.\n\n\
     Attributes: ``file`` (str or None), ``place`` (str, for instance 'line 3, column 7'), ``expected`` and ``found`` (str)."
);

/// What Python raises for an error of the library.
pub(crate) fn raise(py: Python<'_>, error: Error) -> PyErr {
    let text = explain(&error);
    match error {
        Error::Format(error) => {
            let place = error.place.to_string();
            let file = error.file.as_ref().map(|file| file.display().to_string());
            format_error(py, text, file, place.trim_end_matches([':', ' ']), &error.expected, &error.found)
        }
        Error::Io { context, source } => {
            PyOSError::new_err((number(&source).unwrap_or(EIO), format!("{context}: {source}")))
        }
        Error::Memory { .. } => PyMemoryError::new_err(text),
        Error::Engine { .. } => PyRuntimeError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// The same for work on a file, which Python's `OSError` names.
pub(crate) fn raise_for(py: Python<'_>, error: Error, path: &Path) -> PyErr {
    match error {
        Error::Io { source, .. } => {
            let (number, reason) = match number(&source) {
                Some(number) => (number, os_text(py, number).unwrap_or_else(|| source.to_string())),
                None => (EIO, source.to_string()),
            };
            PyOSError::new_err((number, reason, path.to_path_buf()))
        }
        other => raise(py, other),
    }
}

/// A [`FormatError`] with its attributes.
pub(crate) fn format_error(
    py: Python<'_>,
    text: String,
    file: Option<String>,
    place: &str,
    expected: &str,
    found: &str,
) -> PyErr {
    let error = FormatError::new_err(text);
    let value = error.value(py);
    let set = value
        .setattr("file", file)
        .and_then(|()| value.setattr("place", place))
        .and_then(|()| value.setattr("expected", expected))
        .and_then(|()| value.setattr("found", found));
    set.map_or_else(|failed| failed, |()| error)
}

fn os_text(py: Python<'_>, number: i32) -> Option<String> {
    py.import("os").ok()?.call_method1("strerror", (number,)).ok()?.extract().ok()
}

/// The number of an error that has none that is better.
const EIO: i32 = 5;

/// The number by which Python chooses the subclass of `OSError`.
fn number(error: &std::io::Error) -> Option<i32> {
    error.raw_os_error().or(match error.kind() {
        ErrorKind::NotFound => Some(2),
        ErrorKind::PermissionDenied => Some(13),
        ErrorKind::AlreadyExists => Some(17),
        ErrorKind::NotADirectory => Some(20),
        ErrorKind::IsADirectory => Some(21),
        ErrorKind::StorageFull => Some(28),
        ErrorKind::BrokenPipe => Some(32),
        _ => None,
    })
}

/// An error, what caused it, and what helps, in Python's words.
fn explain(error: &Error) -> String {
    let mut text = error.to_string();
    let helps: Vec<_> = error.remedies().into_iter().filter_map(help).collect();
    if !helps.is_empty() {
        text = format!("{text} ({})", helps.join("; "));
    }
    text
}

fn help(remedy: Remedy) -> Option<&'static str> {
    Some(match remedy {
        Remedy::DropShape => "drop_shape=True leaves height and width out",
        Remedy::DropAttributes => "drop_attributes=True leaves out categories, scores, crowd marks and file names",
        Remedy::DropEmptyLabels => "drop_empty_labels=True leaves out labels without runs and images without objects",
        Remedy::Renumber => "renumber=True numbers the objects 1, 2, 3 ...",
        Remedy::GiveShape => "give shape=(height, width)",
        Remedy::NameImage => "image= names one",
        Remedy::NameFormat => "format= names the format",
        Remedy::IgnoreColumns => "ignore_columns=True passes over columns that are not known",
        Remedy::SkipOtherShapes => "skip_other_shapes=True passes over what is not runs",
        Remedy::NumberCategory => "categories={number: name} gives it a number",
        Remedy::SplitCounts => "large_counts='split' writes it in parts",
        Remedy::KeepCounts => "large_counts='keep' writes it as it is",
        Remedy::NameColumns => "header='image,runs' says what the columns are called",
        Remedy::ExchangeSides => "exchange height and width, or name the other order",
        Remedy::AllowMemory => "memory= allows more",
        Remedy::WiderType => "dtype= names a wider type",
        _ => return None,
    })
}

/// An empty list with room for so many entries; the error names `what` when the machine has none.
pub(crate) fn room<T>(count: usize, what: &'static str) -> runmask::Result<Vec<T>> {
    let mut list = Vec::new();
    let needed = (count as u64).saturating_mul(size_of::<T>() as u64);
    list.try_reserve_exact(count).map_err(|_| Error::Memory { what: what.into(), needed, limit: None })?;
    Ok(list)
}
