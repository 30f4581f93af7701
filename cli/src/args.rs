//! The command line: every command, argument and option, as clap parses them.

mod groups;
mod operations;
mod values;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use runmask::format::Format;
use runmask::source::synth::Kind;
use runmask::{Dtype, Engine, OverlapPolicy, ScanOrder};

pub(crate) use self::groups::*;
pub(crate) use self::operations::*;
pub(crate) use self::values::*;

const EXAMPLES: &str = "\
Examples:
  runmask encode slide.tif                             runs go to slide.csv beside it
  runmask encode *.tif --out-dir runs -f coco          many slides at once
  runmask decode slide.csv -o back.tif --like slide.tif
  runmask verify slide.tif slide.csv                   exit status 0: the same pixels
  runmask convert slide.csv -o slide.json --like slide.tif
  runmask info slide.tif --json

Exit status: 0 done, 1 verify found a difference, 2 an error, 130 interrupted.";

/// Converts integer label masks of whole-slide images to the runs of every label, and back.
///
/// A label mask stores a number for every pixel: 0 for the background and one number for each object. A run is a pair of a
/// start and a length: consecutive pixels of the same label. Pixels are numbered down the columns by default.
#[derive(Debug, Parser)]
#[command(name = "runmask", version, after_help = EXAMPLES, max_term_width = 100, subcommand_required = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Number of threads [default: the number of CPU cores]
    #[arg(short = 'j', long, value_name = "N", global = true)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Show progress on stderr even when it is not a terminal
    #[arg(long, global = true)]
    pub(crate) progress: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Encode(Encode),
    Decode(Decode),
    Convert(Convert),
    Info(Info),
    Verify(Verify),
    Measure(Measure),
    Compare(Compare),
    Components(Components),
    Merge(Merge),
    Preview(Preview),
    Doctor(Doctor),
    #[command(subcommand)]
    Pixels(Pixels),
    Synth(Synth),
    Bench(Bench),
    Engines(Engines),
    Completions(Completions),
    Man(Man),
}

/// Encode masks: write the runs of every label
///
/// Without -o and --out-dir, the runs of slide.tif are written to slide.csv in the same folder. The hubmap format, the
/// default for .csv, numbers its rows from 0: its glom column is the label minus 1.
///
/// When several masks are encoded, a mask that fails does not stop the others. A summary line counts the results, and the
/// exit status is 2. Several masks with one -o are written to one file, which holds all of them or is not written: when a
/// mask fails, the remaining masks are still checked, so that one call reports every bad mask.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask encode slide.tif                       slide.csv, in the hubmap format
  runmask encode slide.tif -o slide.json         COCO annotations
  runmask encode slide.tif -o - -f table | head  one run a line, on stdout
  runmask encode *.tif --out-dir runs --skip-existing --json > summary.json
  runmask encode *.tif -o submission.csv -f kaggle --union    one file for all masks
  zcat mask.npy.gz | runmask encode - -o mask.csv
  runmask encode labels.bin --dtype u32 --height 40000 --width 30000 -o labels.csv")]
pub(crate) struct Encode {
    /// Mask files (TIFF, PNG, NPY, Zarr, raw); - is stdin
    #[arg(value_name = "MASK", required = true)]
    pub(crate) masks: Vec<PathBuf>,
    /// The run file; - is stdout. A format that holds many images takes several masks in one file
    #[arg(short, long, value_name = "FILE", conflicts_with = "out_dir")]
    pub(crate) output: Option<PathBuf>,
    /// Write each run file into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,
    /// Skip masks whose run file exists
    #[arg(long)]
    pub(crate) skip_existing: bool,
    /// Print a summary as JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Encode every mask a second time with the scalar reference engine and compare the results
    #[arg(long)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) encoder: EncoderArgs,
    #[command(flatten)]
    pub(crate) mask: MaskArgs,
    #[command(flatten)]
    pub(crate) raw: RawArgs,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
    /// Number the objects 1, 2, 3 ... where the format cannot store their labels
    #[arg(long, help_heading = "Writing run files")]
    pub(crate) renumber: bool,
}

/// Decode a run file: write its mask
///
/// The extension selects the format of the mask: .tif (tiled BigTIFF), .png, .npy, .raw, .bin, or .zarr
/// (OME-Zarr labels; `slide.zarr/labels/NAME` adds a label to an image). Pixels without runs are 0.
/// A warning is printed when the given height and width look exchanged.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask decode slide.csv -o slide.tif --like slide.svs
  runmask decode slide.csv -o slide.npy --height 18484 --width 13013 --dtype u16
  runmask decode slide.json -o slide.png          COCO files store the size
  runmask decode slide.json -o tile.png --window 1000,2000,512,512")]
pub(crate) struct Decode {
    /// The run file; - is stdin
    #[arg(value_name = "RUNS")]
    pub(crate) runs: PathBuf,
    /// The mask file
    #[arg(short, long, value_name = "MASK")]
    pub(crate) output: PathBuf,
    /// The type of the labels [default: the smallest type that holds them]
    #[arg(long, value_parser = choice!(Dtype))]
    pub(crate) dtype: Option<Dtype>,
    /// The label of pixels without runs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) background: u64,
    /// Which object keeps a pixel that several objects cover: error refuses such pixels, first and last keep the object
    /// with the smallest or the largest label
    #[arg(long, value_name = "POLICY", value_parser = choice!(OverlapPolicy), default_value = "error")]
    pub(crate) overlap: OverlapPolicy,
    /// Decode only this part of the mask: row and column of its first pixel, height and width
    #[arg(long, value_name = "Y,X,H,W")]
    pub(crate) window: Option<WindowArg>,
    /// Take only the first of every N rows and columns; N is a power of two
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) scale: u32,
    #[command(flatten)]
    pub(crate) mask: MaskOutputArgs,
    /// The memory that rows may take before they are written, for instance 2G; a wider mask is an error [default: 256M]
    #[arg(long, value_name = "SIZE", value_parser = memory, help_heading = "Writing masks")]
    pub(crate) memory: Option<u64>,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// Convert a run file to another format, without decoding it
///
/// It is an error if the new format cannot store something that the old file holds; options leave such things out. Only
/// height and width are left out with a warning.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask convert slide.csv -o slide.json --like slide.tif
  runmask convert train.csv -o train.json --from kaggle --height 256 --width 256
  runmask convert slide.json -o slide.csv --drop-shape     hubmap files do not store the size
  runmask convert zero.csv -o one.csv --from kaggle --from-base 0 -f kaggle")]
pub(crate) struct Convert {
    /// The run file; - is stdin
    #[arg(value_name = "RUNS")]
    pub(crate) runs: PathBuf,
    /// The new run file; - is stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The format of the run file [default: detected from its content]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), help_heading = "Reading run files")]
    pub(crate) from: Option<Format>,
    /// The order in which the file numbers pixels, where its format leaves that open [default: column]
    #[arg(long, value_parser = order_parser(), value_name = "ORDER", help_heading = "Reading run files")]
    pub(crate) from_order: Option<ScanOrder>,
    /// kaggle: the number of the first pixel in the file [default: 1]
    #[arg(long, value_name = "N", help_heading = "Reading run files")]
    pub(crate) from_base: Option<u64>,
    #[command(flatten)]
    pub(crate) many: ManyArgs,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
    /// The order in which the new file numbers pixels, where its format leaves that open [default: column]
    #[arg(long, value_parser = order_parser(), help_heading = "Writing run files")]
    pub(crate) order: Option<ScanOrder>,
    /// Leave out height and width where the format cannot store them, without a warning
    #[arg(long, help_heading = "Writing run files")]
    pub(crate) drop_shape: bool,
    /// Leave out categories, scores and crowd marks where the format cannot store them
    #[arg(long, help_heading = "Writing run files")]
    pub(crate) drop_attributes: bool,
}

/// Show what a mask or run file holds: size, pages, labels, runs, areas
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask info slide.tif
  runmask info slide.csv --json | jq .labels
  runmask info labels.bin --dtype u16 --height 4000 --width 3000   a mask without a header")]
pub(crate) struct Info {
    /// The mask or run file; - is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print everything as JSON, with the area of every label
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) either: EitherArgs,
}

/// Compare two files, masks or run files, pixel by pixel
///
/// The exit status is 0 if every label has the same pixels in both files, 1 if there are differences, and 2 after an error.
/// Differences are listed in the order of labels.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask verify slide.tif slide.csv
  runmask verify correct.csv other.csv --like slide.tif    shows rows and columns
  runmask verify slide.csv slide.json --second-format sam")]
pub(crate) struct Verify {
    /// A mask or run file
    #[arg(value_name = "FILE")]
    pub(crate) first: PathBuf,
    /// The mask or run file to compare it with
    #[arg(value_name = "FILE")]
    pub(crate) second: PathBuf,
    /// The format of the second run file [default: --format, or detected from its content]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    pub(crate) second_format: Option<Format>,
    /// The largest number of differences to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) either: EitherArgs,
}

/// Draw a mask or run file as a PNG: each label in its own colour on a dark background
///
/// A pixel of the picture that stands for several pixels of the mask takes the colour of the label that covers most of
/// them. It is brighter the more of them are covered, and a single covered pixel is still visible. Small masks are enlarged.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask preview slide.tif -o slide.png
  runmask preview slide.csv -o slide.png --like slide.tif --max-side 4000")]
pub(crate) struct Preview {
    /// The mask or run file; - is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The picture; - is stdout
    #[arg(short, long, value_name = "PNG")]
    pub(crate) output: PathBuf,
    /// The longest side of the picture
    #[arg(long, value_name = "PIXELS", default_value_t = 1600, value_parser = clap::value_parser!(u32).range(1..=32768))]
    pub(crate) max_side: u32,
    /// Draw the outlines of objects instead of their areas
    #[arg(long)]
    pub(crate) outlines: bool,
    /// Draw outlines over this picture of the slide, scaled to the mask: a PNG, JPEG or TIFF file
    #[arg(long, value_name = "IMAGE", requires = "outlines")]
    pub(crate) over: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) either: EitherArgs,
}

/// Find out which convention a run file follows, and show the evidence
///
/// The report covers the format, the order of pixels, the number of the first pixel, and whether objects are stored one by
/// one. It says what is known, what is likely and what the file cannot tell, and prints the command that converts the file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask doctor submission.csv
  runmask doctor submission.csv --like slide.tif      the size excludes more")]
pub(crate) struct Doctor {
    /// The run file; - is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
}

/// Convert pictures to escape-key records, and back
///
/// A record has 9 bytes: 255 255 0 0, the R G B A values of a pixel, and the number of its repetitions, 1 to 255. A picture
/// with few repetitions grows to as much as 2.25 times the size of its pixels.
#[derive(Debug, Subcommand)]
pub(crate) enum Pixels {
    /// Write the records of a picture
    Encode(PixelsEncode),
    /// Write the picture that records describe
    Decode(PixelsDecode),
}

#[derive(Debug, Args)]
pub(crate) struct PixelsEncode {
    /// The picture: PNG, JPEG, BMP, GIF or PNM with at most 8 bits per channel
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
    /// The records; - is stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Write pixels in the order B G R A, as a QImage stores them
    #[arg(long)]
    pub(crate) bgra: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PixelsDecode {
    /// The records; - is stdin
    #[arg(value_name = "RECORDS")]
    pub(crate) records: PathBuf,
    /// The picture, a PNG; - is stdout
    #[arg(short, long, value_name = "IMAGE")]
    pub(crate) output: PathBuf,
    /// The pixels are in the order B G R A, as a QImage stores them
    #[arg(long)]
    pub(crate) bgra: bool,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
}

/// Generate a synthetic mask; the same arguments give the same mask
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask synth glomeruli --height 20000 --width 15000 -o slide.npy
  runmask synth cells --height 8000 --width 8000 --dtype u32 --labels 128000 -o cells.tif")]
pub(crate) struct Synth {
    /// Glomeruli: few, large, far apart; cells: many, small, close together; noise: a random label in every pixel
    #[arg(value_parser = choice!(Kind))]
    pub(crate) kind: Kind,
    /// Number of rows
    #[arg(long, value_name = "PIXELS")]
    pub(crate) height: u32,
    /// Number of columns
    #[arg(long, value_name = "PIXELS")]
    pub(crate) width: u32,
    /// The mask file; the extension selects the format: .tif, .png, .npy, .zarr, .raw or .bin
    #[arg(short, long, value_name = "MASK")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) looks: Looks,
    #[command(flatten)]
    pub(crate) mask: MaskOutputArgs,
    /// The memory that rows may take before they are written, for instance 2G; a wider mask is an error [default: 256M]
    #[arg(long, value_name = "SIZE", value_parser = memory, help_heading = "Writing masks")]
    pub(crate) memory: Option<u64>,
}

/// Measure how long it takes to encode and decode a mask in memory, relative to reading and filling the same memory
///
/// The results are checked first: a second engine must find the same runs, and decoding must give the mask back. All times
/// are medians of interleaved samples.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask bench slide.tif --engine simd -j 1
  runmask bench --synth cells --height 8000 --width 8000 --json
  runmask bench mask.npy --layout column          the mask as a column-major array")]
pub(crate) struct Bench {
    /// The mask file [default: a synthetic mask, see --synth]
    #[arg(value_name = "MASK", conflicts_with = "synth")]
    pub(crate) mask: Option<PathBuf>,
    /// What finds the runs: the CPU (simd, or scalar, the slow reference) or the GPU; auto is simd
    #[arg(long, value_parser = choice!(Engine), default_value = "auto")]
    pub(crate) engine: Engine,
    /// The order in which pixels are numbered
    #[arg(long, value_parser = order_parser(), default_value = "column")]
    pub(crate) order: ScanOrder,
    /// The order of the pixels in memory
    #[arg(long, value_parser = order_parser(), default_value = "row")]
    pub(crate) layout: ScanOrder,
    /// gpu: measure a mask that is already in the memory of the device
    #[arg(long)]
    pub(crate) resident: bool,
    /// Number of samples [default: as many as take a few seconds, 3 to 25]
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<NonZeroUsize>,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) page: MaskArgs,
    /// The kind of synthetic mask
    #[arg(long, value_parser = choice!(Kind), default_value = "glomeruli", help_heading = "Synthetic masks")]
    pub(crate) synth: Kind,
    /// Rows of the synthetic mask
    #[arg(long, value_name = "PIXELS", default_value_t = 8192, help_heading = "Synthetic masks")]
    pub(crate) height: u32,
    /// Columns of the synthetic mask
    #[arg(long, value_name = "PIXELS", default_value_t = 8192, help_heading = "Synthetic masks")]
    pub(crate) width: u32,
    #[command(flatten, next_help_heading = "Synthetic masks")]
    pub(crate) looks: Looks,
}

/// List the engines of this machine with their SIMD levels and GPU adapters, and say why one is missing
#[derive(Debug, Args)]
pub(crate) struct Engines {
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask completions bash > ~/.local/share/bash-completion/completions/runmask
  runmask completions zsh > ~/.zfunc/_runmask
  runmask completions fish > ~/.config/fish/completions/runmask.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Print a man page
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask man | man -l -
  runmask man encode > /usr/local/share/man/man1/runmask-encode.1")]
pub(crate) struct Man {
    /// The command to describe [default: the program]
    #[arg(value_name = "COMMAND", num_args = 0..=2)]
    pub(crate) command: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        Arguments::command().debug_assert();
    }
}
