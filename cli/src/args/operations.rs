//! The arguments of commands that work on runs: what is measured, compared, merged, taken apart.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use runmask::format::Format;
use runmask::{Connectivity, PixelSize, Property, ScanOrder, Window};

use super::groups::*;
use super::values::*;

/// Measure every label of a mask or run file: area, box, centroid, axes, perimeters, holes, hull
///
/// One row for each label. Names and values are those of scikit-image's regionprops_table. Boxes are half open, and a
/// centroid is the mean of row and column numbers, from 0. With a pixel size, lengths are in micrometres (columns end in
/// _um) and areas in square micrometres (_um2); boxes and centroids stay in pixels.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask measure slide.tif -o cells.csv
  runmask measure slide.csv --like slide.tif -o cells.csv --properties area,centroid,eccentricity
  runmask measure slide.tif -o cells.parquet --properties all --pixel-size 0.5")]
pub(crate) struct Measure {
    /// The mask or run file; - is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The table: .csv, .json or .parquet; - is stdout
    #[arg(short, long, value_name = "TABLE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// The format of the table [default: by its extension, otherwise csv]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) table_format: Option<TableFormat>,
    /// What to measure, or `all`; the label always comes first
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = properties_parser(), default_value = "area,bbox,centroid")]
    pub(crate) properties: Vec<Properties>,
    /// Side of a pixel in micrometres, or height,width; `none` for pixels [default: what an OME-Zarr, OME-TIFF, ImageJ or
    /// TIFF mask says, but for 300 pixels for each inch and fewer; otherwise none]
    #[arg(long, value_name = "UM")]
    pub(crate) pixel_size: Option<PixelSizeArg>,
    /// Which neighbours connect pixels, for pieces, holes and the Euler number
    #[arg(long, value_name = "N", value_parser = choice!(Connectivity), default_value = "8")]
    pub(crate) connectivity: Connectivity,
    #[command(flatten)]
    pub(crate) either: EitherArgs,
}

/// Put run files of parts of one mask together
///
/// Each part holds blocks or strips of the mask, in positions of the whole mask. Runs are joined where they go on in another
/// part. The order of the parts does not matter; a pixel of a label that two parts cover is an error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask merge left.csv right.csv -o whole.csv
  runmask merge part*.json -o whole.json")]
pub(crate) struct Merge {
    /// The run files
    #[arg(value_name = "PART", required = true)]
    pub(crate) parts: Vec<PathBuf>,
    /// The run file of the whole; - is stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The format of the parts [default: by their extensions]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), help_heading = "Reading run files")]
    pub(crate) from: Option<Format>,
    /// How the parts number pixels, where their format leaves that open [default: column]
    #[arg(long, value_parser = order_parser(), value_name = "ORDER", help_heading = "Reading run files")]
    pub(crate) from_order: Option<ScanOrder>,
    /// kaggle: the number of the first pixel in the parts [default: 1]
    #[arg(long, value_name = "N", help_heading = "Reading run files")]
    pub(crate) from_base: Option<u64>,
    #[command(flatten)]
    pub(crate) many: ManyArgs,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
    /// Leave out height and width where the format cannot hold them
    #[arg(long, help_heading = "Writing run files")]
    pub(crate) drop_shape: bool,
}

/// Score a segmentation against the truth: PQ, SQ, DQ, AJI, Dice, IoU, F1
///
/// A label of the truth and one of the prediction match when their IoU is greater than the threshold, 0.5 for PQ. Labels
/// need not have the same numbers in both files. Dice and IoU are those of the foregrounds. Scores of two empty masks are 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask compare truth.tif prediction.tif
  runmask compare truth.tif prediction.csv --json | jq .pq
  runmask compare truth.tif prediction.tif --table pairs.csv   IoU of every two labels that overlap")]
pub(crate) struct Compare {
    /// The mask or run file of the truth
    #[arg(value_name = "TRUTH")]
    pub(crate) truth: PathBuf,
    /// The mask or run file of the prediction
    #[arg(value_name = "PREDICTION")]
    pub(crate) prediction: PathBuf,
    /// The format of a prediction that is a run file [default: --format, or by its extension]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    pub(crate) second_format: Option<Format>,
    /// Scores in JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// A CSV file of all pairs of labels that share pixels: truth, prediction, pixels, iou
    #[arg(long, value_name = "FILE")]
    pub(crate) table: Option<PathBuf>,
    /// Thresholds of IoU for F1 [default: 0.5,0.55 to 0.95]
    #[arg(long, value_name = "IOU,...", value_delimiter = ',')]
    pub(crate) thresholds: Option<Vec<f64>>,
    #[command(flatten)]
    pub(crate) either: EitherArgs,
}

/// Give every connected piece a label of its own
///
/// Pieces of each label, or with --binary of all that is not background: a binary mask of a network becomes instances.
/// They are numbered by their first pixels, from left to right, within a column from top to bottom. Holes are filled first,
/// where they are background; then small pieces go; then --largest keeps one piece of each label.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask components binary.png -o instances.tif --binary
  runmask components slide.tif -o clean.csv --min-area 50 --fill-holes 20
  runmask components slide.tif -o largest.tif --largest --sources pieces.csv")]
pub(crate) struct Components {
    /// The mask or run file; - is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The mask or run file of the pieces, its format by its extension; - is stdout, for runs
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Which neighbours connect pixels; holes are connected the other way
    #[arg(long, value_name = "N", value_parser = choice!(Connectivity), default_value = "8")]
    pub(crate) connectivity: Connectivity,
    /// Take all labels for one
    #[arg(long)]
    pub(crate) binary: bool,
    /// Leave out pieces of fewer pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    pub(crate) min_area: u64,
    /// Fill holes of at most so many pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    pub(crate) fill_holes: u64,
    /// Keep the largest piece of each label only, with --binary of the whole mask
    #[arg(long)]
    pub(crate) largest: bool,
    /// A CSV file that says of which label each piece is: label, source
    #[arg(long, value_name = "FILE")]
    pub(crate) sources: Option<PathBuf>,
    /// The format of a run file [default: by its extension, otherwise hubmap]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), help_heading = "Writing run files")]
    pub(crate) to: Option<Format>,
    #[command(flatten)]
    pub(crate) mask: MaskOutputArgs,
    #[command(flatten)]
    pub(crate) either: EitherArgs,
}

/// A window of a mask: row, column, height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowArg(pub(crate) Window);

impl FromStr for WindowArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u32>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[row, column, height, width]) if height > 0 && width > 0 => {
                Ok(Self(Window::new(row, column, height, width)))
            }
            _ => Err("row, column, height and width were expected, for instance 1000,2000,512,512".into()),
        }
    }
}

/// The format of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableFormat {
    /// Names, then a line for each label
    Csv,
    /// A list of objects
    Json,
    /// Apache Parquet
    Parquet,
}

/// A property, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Properties {
    One(Property),
    All,
}

impl Properties {
    /// The properties asked for, the label first.
    pub(crate) fn list(asked: &[Self]) -> Vec<Property> {
        let all = |asked: &Self| match asked {
            Self::One(property) => vec![*property],
            Self::All => Property::ALL.to_vec(),
        };
        std::iter::once(Property::Label).chain(asked.iter().flat_map(all)).collect()
    }
}

pub(crate) fn properties_parser() -> impl TypedValueParser<Value = Properties> {
    let names = Property::ALL.iter().map(|property| property.name()).chain(["all"]);
    PossibleValuesParser::new(names).try_map(|name| match name.as_str() {
        "all" => Ok(Properties::All),
        name => name.parse().map(Properties::One),
    })
}

/// The size of a pixel, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PixelSizeArg(pub(crate) Option<PixelSize>);

impl FromStr for PixelSizeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let number = |text: &str| {
            let wrong = || "a number of micrometres, two with a comma between, or `none` was expected".to_owned();
            text.trim().parse::<f64>().map_err(|_| wrong())
        };
        let (height, width) = text.split_once(',').unwrap_or((text, text));
        PixelSize::new(number(height)?, number(width)?).map(|size| Self(Some(size))).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_sizes() {
        assert_eq!("none".parse(), Ok(PixelSizeArg(None)));
        assert_eq!("0.5".parse(), Ok(PixelSizeArg(Some(PixelSize::new(0.5, 0.5).unwrap()))));
        assert_eq!("0.5, 0.25".parse(), Ok(PixelSizeArg(Some(PixelSize::new(0.5, 0.25).unwrap()))));
        for wrong in ["", "nan", "0", "-1", "inf", "1,", "1,2,3", "1um"] {
            assert!(wrong.parse::<PixelSizeArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn windows() {
        assert_eq!("1,2,3, 4".parse(), Ok(WindowArg(Window::new(1, 2, 3, 4))));
        for wrong in ["", "1,2,3", "1,2,3,4,5", "-1,2,3,4", "1,2,0,4", "1,2,3,4.5", "4294967296,0,1,1"] {
            assert!(wrong.parse::<WindowArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_label_comes_first_and_once() {
        let asked = [Properties::One(Property::Area), Properties::All];
        let list = Properties::list(&asked);
        assert_eq!(list[..3], [Property::Label, Property::Area, Property::Label]);
    }
}
