//! Names: how a user writes a value of an enum, in options and in messages.
//!
//! Gets, in [`names!`], a name for every variant; gives the enum `ALL`, `name()`, [`Display`](std::fmt::Display) and
//! [`FromStr`](std::str::FromStr); guarantees that every name that is displayed is read back, and that the error for any
//! other text lists the names there are.

use crate::error::{Error, Result};

/// Names the variants of an enum that is `Copy`.
///
/// ```ignore
/// names! {
///     "an engine", Engine {
///         Auto => "auto",
///         Simd => "simd" | "vector", // `vector` is read as well, but never displayed
///     }
/// }
/// ```
///
/// The text in front says what the values are, with its article; errors use it.
macro_rules! names {
    ($what:literal, $type:ident { $($variant:ident => $name:literal $(| $alias:literal)*),+ $(,)? }) => {
        impl $type {
            /// Every value, in the order in which messages list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name by which a user asks for this value:
            ///
            $(#[doc = concat!("* [`", stringify!($variant), "`](Self::", stringify!($variant), "): `", $name, "`")])+
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            /// Writes the name, as [`Self::name`] gives it.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::Error;

            /// The value of this name; any other text is an [`Error::Argument`](crate::Error::Argument) that lists the
            /// names.
            fn from_str(text: &str) -> $crate::Result<Self> {
                match text {
                    $($name $(| $alias)* => Ok(Self::$variant),)+
                    _ => Err($crate::names::unknown($what, text, &[$($name),+])),
                }
            }
        }
    };
}
pub(crate) use names;

/// The error for a text that is none of the names.
pub(crate) fn unknown(what: &str, text: &str, names: &[&str]) -> Error {
    Error::Argument(format!("`{text}` is not the name of {what}: expected {}", one_of(names)))
}

/// The value of `all` with this name; any other text is an error that lists the names.
pub(crate) fn find<T: Copy>(what: &str, text: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T> {
    let found = all.iter().copied().find(|&value| name(value) == text);
    found.ok_or_else(|| unknown(what, text, &all.iter().map(|&value| name(value)).collect::<Vec<_>>()))
}

/// `a, b or c`.
fn one_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".into(),
        [only] => (*only).into(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};
    use std::str::FromStr;

    use crate::{Dtype, Engine, Error, ScanOrder, SimdLevel};

    fn check<T: Copy + Debug + PartialEq + Display + FromStr<Err = Error>>(all: &[T], message: &str) {
        for &value in all {
            assert_eq!(value.to_string().parse::<T>().unwrap(), value);
        }
        for wrong in ["", "what", " u8", "U8"] {
            let error = wrong.parse::<T>().unwrap_err();
            assert!(matches!(error, Error::Argument(_)));
            assert_eq!(error.to_string(), format!("`{wrong}` is not the name of {message}"));
        }
    }

    #[test]
    fn what_is_displayed_is_read_and_errors_list_the_names() {
        check(Dtype::ALL, "a type of labels: expected u8, u16, u32 or u64");
        check(Engine::ALL, "an engine: expected auto, scalar, simd or gpu");
        check(ScanOrder::ALL, "a scan order: expected column-major or row-major");
        let levels = SimdLevel::all();
        let (last, others) = levels.split_last().unwrap();
        let names = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let names = if others.is_empty() { last.to_string() } else { format!("{names} or {last}") };
        check(&levels, &format!("a SIMD level of this machine: expected {names}"));
    }

    #[test]
    fn short_names_are_read() {
        assert_eq!("column".parse::<ScanOrder>().unwrap(), ScanOrder::ColumnMajor);
        assert_eq!("row".parse::<ScanOrder>().unwrap(), ScanOrder::RowMajor);
        assert_eq!(format!("{:>5}|{:<5}|", Dtype::U8, Dtype::U16), "   u8|u16  |");
    }
}
