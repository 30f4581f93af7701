//! The arguments: what the user may say, as clap reads it.

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

/// Turns integer label masks of whole-slide images into the runs of every label, and back.
///
/// A label mask gives every pixel a number: 0 for background, another one for each object. Its runs are (start, length)
/// pairs of pixels in a row, numbered down the columns unless told otherwise.
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
    /// Threads for everything [default: as many as the machine runs at once]
    #[arg(short = 'j', long, value_name = "N", global = true)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Show progress on stderr even when it is no terminal
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

/// Write the runs of every label of masks
///
/// Without -o and --out-dir the runs of slide.tif go to slide.csv beside it. Of several masks one that fails does not
/// stop the others: a summary says what happened, and the exit status is then 2. Several masks with one -o go to one
/// file, whole or not at all: when one of them fails every bad mask is named and no file is written.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask encode slide.tif                       slide.csv, in the hubmap format
  runmask encode slide.tif -o slide.json         COCO annotations
  runmask encode slide.tif -o - -f table | head  one run a line, on stdout
  runmask encode *.tif --out-dir runs --skip-existing --json > summary.json
  runmask encode *.tif -o submission.csv -f kaggle --union    one file of many masks
  zcat mask.npy.gz | runmask encode - -o mask.csv
  runmask encode labels.bin --dtype u32 --height 40000 --width 30000 -o labels.csv")]
pub(crate) struct Encode {
    /// Mask files (TIFF, PNG, NPY, raw); - is stdin
    #[arg(value_name = "MASK", required = true)]
    pub(crate) masks: Vec<PathBuf>,
    /// The run file; - is stdout. Several masks go to it together where its format holds many images
    #[arg(short, long, value_name = "FILE", conflicts_with = "out_dir")]
    pub(crate) output: Option<PathBuf>,
    /// The folder for the run files of all masks
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,
    /// Pass over masks whose run file exists
    #[arg(long)]
    pub(crate) skip_existing: bool,
    /// A summary in JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Encode once more with the scalar engine, which defines what is right, and compare
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
    /// Give objects new numbers where the format cannot hold theirs
    #[arg(long, help_heading = "Writing run files")]
    pub(crate) renumber: bool,
}

/// Write the mask that a run file describes
///
/// The mask's format follows its extension: .tif (tiled BigTIFF), .png, .npy, .raw or .bin. Pixels without runs are 0.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask decode slide.csv -o slide.tif --like slide.svs
  runmask decode slide.csv -o slide.npy --height 18484 --width 13013 --dtype u16
  runmask decode slide.json -o slide.png          COCO files know their size
  runmask decode slide.json -o tile.png --window 1000,2000,512,512")]
pub(crate) struct Decode {
    /// The run file; - is stdin
    #[arg(value_name = "RUNS")]
    pub(crate) runs: PathBuf,
    /// The mask file
    #[arg(short, long, value_name = "MASK")]
    pub(crate) output: PathBuf,
    /// The type of the labels [default: the narrowest that holds them]
    #[arg(long, value_parser = choice!(Dtype))]
    pub(crate) dtype: Option<Dtype>,
    /// The label of pixels without runs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) background: u64,
    /// Who keeps a pixel that several objects cover: nobody, which is an error, the first object by label, or the last
    #[arg(long, value_name = "POLICY", value_parser = choice!(OverlapPolicy), default_value = "error")]
    pub(crate) overlap: OverlapPolicy,
    /// This part of the mask only: row and column of its first pixel, height and width
    #[arg(long, value_name = "Y,X,H,W")]
    pub(crate) window: Option<WindowArg>,
    /// Of each N rows and columns the first only; a power of two
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) scale: u32,
    #[command(flatten)]
    pub(crate) mask: MaskOutputArgs,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// Write a run file in another format, without pixels
///
/// What the target cannot hold is an error, or is dropped when asked for.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask convert slide.csv -o slide.json --like slide.tif
  runmask convert train.csv -o train.json --from kaggle --height 256 --width 256
  runmask convert slide.json -o slide.csv --drop-shape     hubmap files do not hold the size
  runmask convert zero.csv -o one.csv --from kaggle --from-base 0 -f kaggle")]
pub(crate) struct Convert {
    /// The run file; - is stdin
    #[arg(value_name = "RUNS")]
    pub(crate) runs: PathBuf,
    /// The new run file; - is stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The format of the run file [default: by its extension]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), help_heading = "Reading run files")]
    pub(crate) from: Option<Format>,
    /// How the file numbers pixels, where its format leaves that open [default: column]
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
    /// How the new file numbers pixels, where its format leaves that open [default: column]
    #[arg(long, value_parser = order_parser(), help_heading = "Writing run files")]
    pub(crate) order: Option<ScanOrder>,
    /// Leave out height and width where the format cannot hold them
    #[arg(long, help_heading = "Writing run files")]
    pub(crate) drop_shape: bool,
    /// Leave out categories, scores and crowd marks where the format cannot hold them
    #[arg(long, help_heading = "Writing run files")]
    pub(crate) drop_attributes: bool,
}

/// Say what a mask or a run file holds: shape, labels, runs, areas
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
    /// Everything, the area of every label included, in JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) either: EitherArgs,
}

/// Compare two files, masks or run files, pixel by pixel of every label
///
/// Exit status: 0 the same pixels, 1 differences, 2 an error. Differences are listed from the first label on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask verify slide.tif slide.csv
  runmask verify correct.csv other.csv --like slide.tif    with rows and columns
  runmask verify slide.csv slide.json --second-format sam")]
pub(crate) struct Verify {
    /// A mask or run file
    #[arg(value_name = "FILE")]
    pub(crate) first: PathBuf,
    /// The mask or run file to compare it with
    #[arg(value_name = "FILE")]
    pub(crate) second: PathBuf,
    /// The format of the second run file [default: --format, or by its extension]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    pub(crate) second_format: Option<Format>,
    /// How many differences are listed
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) either: EitherArgs,
}

/// Draw a mask or a run file: labels in distinct colours on dark
///
/// Where one pixel of the picture stands for many of the mask it has the colour of the label with most of them, the
/// brighter the more are covered; a single covered pixel still shows. Small masks are enlarged.
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
    /// The picture's longer side at most
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

/// Tell which convention a run file is in, with the evidence
///
/// Order, first number, union or instances: what is known, what is likely, what cannot be known; and the command that
/// converts the file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask doctor submission.csv
  runmask doctor submission.csv --like slide.tif      the size rules out more")]
pub(crate) struct Doctor {
    /// The run file; - is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// In JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
}

/// Encode pictures as escape-key records, and back
///
/// A record is 9 bytes: 255 255 0 0, a pixel's R G B A, and how often it repeats, 1 to 255. Pictures with few repetitions
/// grow, up to 2.25 times their pixels.
#[derive(Debug, Subcommand)]
pub(crate) enum Pixels {
    /// Write the records of a picture
    Encode(PixelsEncode),
    /// Write the picture that records describe
    Decode(PixelsDecode),
}

#[derive(Debug, Args)]
pub(crate) struct PixelsEncode {
    /// The picture: PNG, JPEG, BMP, GIF or PNM, 8 bits a channel or fewer
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
    /// The records; - is stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Pixels as B G R A, the memory of a QImage
    #[arg(long)]
    pub(crate) bgra: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PixelsDecode {
    /// The records; - is stdin
    #[arg(value_name = "RECORDS")]
    pub(crate) records: PathBuf,
    /// The PNG; - is stdout
    #[arg(short, long, value_name = "IMAGE")]
    pub(crate) output: PathBuf,
    /// Pixels are B G R A, the memory of a QImage
    #[arg(long)]
    pub(crate) bgra: bool,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
}

/// Make up a mask, the same for the same arguments
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask synth glomeruli --height 20000 --width 15000 -o slide.npy
  runmask synth cells --height 8000 --width 8000 --dtype u32 --labels 128000 -o cells.tif")]
pub(crate) struct Synth {
    /// Glomeruli: few, large, far apart; cells: many, small, close together; noise: a random label in every pixel
    #[arg(value_parser = choice!(Kind))]
    pub(crate) kind: Kind,
    /// Rows
    #[arg(long, value_name = "PIXELS")]
    pub(crate) height: u32,
    /// Columns
    #[arg(long, value_name = "PIXELS")]
    pub(crate) width: u32,
    /// The mask file, its format by its extension: .tif, .png, .npy, .raw or .bin
    #[arg(short, long, value_name = "MASK")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) looks: Looks,
    #[command(flatten)]
    pub(crate) mask: MaskOutputArgs,
}

/// Time encoding and decoding of a mask in memory, beside a read and a fill of the same bytes
///
/// The answer is checked: another engine must find the same runs, and decoding must give the mask back. All times are
/// medians, in seconds, of samples taken in turn.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask bench slide.tif --engine simd -j 1
  runmask bench --synth cells --height 8000 --width 8000 --json
  runmask bench mask.npy --layout column          from a column-major array")]
pub(crate) struct Bench {
    /// The mask file [default: a made-up one, see --synth]
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
    /// gpu: time a mask that is in the device's memory already
    #[arg(long)]
    pub(crate) resident: bool,
    /// Samples of everything [default: as many as fit into a few seconds, 3 to 25]
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<NonZeroUsize>,
    /// Everything in JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) page: MaskArgs,
    /// Make up a mask that looks like this
    #[arg(long, value_parser = choice!(Kind), default_value = "glomeruli", help_heading = "Made-up masks")]
    pub(crate) synth: Kind,
    /// Rows of a made-up mask
    #[arg(long, value_name = "PIXELS", default_value_t = 8192, help_heading = "Made-up masks")]
    pub(crate) height: u32,
    /// Columns of a made-up mask
    #[arg(long, value_name = "PIXELS", default_value_t = 8192, help_heading = "Made-up masks")]
    pub(crate) width: u32,
    #[command(flatten, next_help_heading = "Made-up masks")]
    pub(crate) looks: Looks,
}

/// List every engine of this machine, with its levels or adapters, and why one is missing
#[derive(Debug, Args)]
pub(crate) struct Engines {
    /// In JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write the completions of a shell to stdout
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

/// Write a man page to stdout
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runmask man | man -l -
  runmask man encode > /usr/local/share/man/man1/runmask-encode.1")]
pub(crate) struct Man {
    /// The command that the page is about [default: the program]
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
