//! What a user can do about an error, in the program's own words: the library gives a [`Remedy`], and this is the only
//! place that knows the option behind it.

use std::borrow::Cow;
use std::path::Path;

use runmask::format::Warning;
use runmask::{Error, Remedy};

use crate::console::shown;

/// What helps against the error, in one phrase for each remedy; empty when nothing is known to help.
pub(crate) fn phrases(error: &Error) -> String {
    words(&error.remedies())
}

/// A warning about a file that was read, with what would silence it or mend its cause.
pub(crate) fn warning(warning: &Warning, file: &Path) -> String {
    let words = words(warning.remedies());
    let words = if words.is_empty() { words } else { format!(" ({words})") };
    format!("{}: {warning}{words}", shown(file))
}

fn words(remedies: &[Remedy]) -> String {
    remedies.iter().filter_map(|&remedy| phrase(remedy)).collect::<Vec<_>>().join("; ")
}

fn phrase(remedy: Remedy) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match remedy {
        Remedy::DropShape => "--drop-shape leaves height and width out",
        Remedy::DropAttributes => "--drop-attributes leaves out categories, scores, crowd marks and file names",
        Remedy::DropEmptyLabels => "--drop-empty-labels leaves out labels without runs and images without objects",
        Remedy::Renumber => "--renumber numbers the objects 1, 2, 3 ...",
        Remedy::GiveShape => "give --height and --width, or --like with an image of the same size",
        Remedy::ExchangeSides => "exchange --height and --width, or name the other order of pixels",
        Remedy::NameImage => "--image names one",
        Remedy::NameFormat => "name the format with --from or --format",
        Remedy::NameColumns => "--columns IMAGE,RUNS names the columns of images and runs",
        Remedy::Unpack => "unpack it first, for instance: zcat FILE | runmask ... -",
        Remedy::IgnoreColumns => "--ignore-columns ignores unknown columns",
        Remedy::SkipOtherShapes => "--skip-other-shapes skips annotations that are not runs",
        Remedy::NumberCategory => "--category NUMBER=NAME gives it a number",
        Remedy::SplitCounts => "--large-counts split writes it in parts",
        Remedy::KeepCounts => "--large-counts keep writes it as it is",
        Remedy::AllowMemory => "--memory allows more",
        Remedy::WiderType => "--dtype names a wider type",
        Remedy::NameLabel => "--label names one",
        Remedy::Overwrite => "--overwrite replaces it",
        Remedy::NameIndex => "--index AXIS=N names one",
        Remedy::Build(feature) => {
            return Some(format!("build the program with `--features {feature}`").into());
        }
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use runmask::Loss;

    use super::*;

    #[test]
    fn each_remedy_is_named_once() {
        let error = Error::cannot_hold("table", vec![Loss::Shape, Loss::Shape]);
        assert_eq!(phrases(&error), "--drop-shape leaves height and width out");
        assert_eq!(phrases(&Error::Argument("no".into())), "");
    }
}
