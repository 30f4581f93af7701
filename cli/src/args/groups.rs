//! Groups of arguments that several commands share.

use std::path::PathBuf;

use clap::Args;
use runmask::format::{CocoForm, Compat, Format, JsonCounts, LargeCounts, ObjectType};
use runmask::sink::{Compression, CreateOptions, MaskFormat};
use runmask::{Dtype, Engine, FillRule, ScanOrder};

use super::operations::{Properties, properties_parser};
use super::values::*;

/// How masks are encoded.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Encoding")]
pub(crate) struct EncoderArgs {
    /// What finds the runs: the CPU (simd, or scalar, the slow reference) or the GPU; auto is simd. An engine that is
    /// named is never replaced by another
    #[arg(long, value_parser = choice!(Engine), default_value = "auto")]
    pub(crate) engine: Engine,
    /// The order in which the file numbers pixels, where its format leaves that open
    #[arg(long, value_parser = order_parser(), default_value = "column")]
    pub(crate) order: ScanOrder,
    /// The label without runs of its own, or `none`
    #[arg(long, value_name = "N|none", default_value = "0")]
    pub(crate) background: Background,
    /// Memory that the program may take, for instance 500M or 2G; what needs more is an error [default: 200M and 32 times
    /// what the mask takes where it is stored]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: Option<u64>,
}

/// Which mask of a file.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading masks")]
pub(crate) struct MaskArgs {
    /// The page of a TIFF file, from 0 [default: 0, with a warning where there are several masks]
    #[arg(long, value_name = "N")]
    pub(crate) page: Option<u32>,
    /// The level of a pyramid, 0 being the full size
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) level: u32,
}

/// The layout of a mask without a header.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading masks")]
pub(crate) struct RawArgs {
    /// Read raw labels of this type, little endian, without a header
    #[arg(long, value_parser = choice!(Dtype), requires_all = ["height", "width"])]
    pub(crate) dtype: Option<Dtype>,
    /// Rows of a raw mask
    #[arg(long, value_name = "PIXELS", requires = "dtype")]
    pub(crate) height: Option<u32>,
    /// Columns of a raw mask
    #[arg(long, value_name = "PIXELS", requires = "dtype")]
    pub(crate) width: Option<u32>,
}

/// The size of a mask whose run file does not say.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Size of the mask, where the run file does not say")]
pub(crate) struct ShapeArgs {
    /// Rows of the mask
    #[arg(long, value_name = "PIXELS", requires = "width")]
    pub(crate) height: Option<u32>,
    /// Columns of the mask
    #[arg(long, value_name = "PIXELS", requires = "height")]
    pub(crate) width: Option<u32>,
    /// A mask or image of the same height and width
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["height", "width"])]
    pub(crate) like: Option<PathBuf>,
}

/// How a run file is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading run files")]
pub(crate) struct ReadArgs {
    /// The format of the run file [default: by its extension]
    #[arg(short, long, value_name = "FORMAT", value_parser = format_parser())]
    pub(crate) format: Option<Format>,
    /// How the file numbers pixels, where its format leaves that open [default: column]
    #[arg(long, value_parser = order_parser())]
    pub(crate) order: Option<ScanOrder>,
    /// kaggle: the number of the first pixel [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) base: Option<u64>,
    #[command(flatten)]
    pub(crate) many: ManyArgs,
}

/// What to take from a run file of many images and objects.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading run files")]
pub(crate) struct ManyArgs {
    /// The image to take from a file of many
    #[arg(long, value_name = "ID")]
    pub(crate) image: Option<String>,
    /// Number objects 1, 2, 3 ... in the order of the file, whatever numbers they have
    #[arg(long)]
    pub(crate) renumber: bool,
    /// JSON: pass over annotations without runs, such as polygons
    #[arg(long)]
    pub(crate) skip_other_shapes: bool,
    /// CSV: pass over columns that are not known
    #[arg(long)]
    pub(crate) ignore_columns: bool,
    /// CSV: what the columns of images and runs are called, where the names are not known
    #[arg(long, value_name = "IMAGE,RUNS")]
    pub(crate) columns: Option<String>,
    /// geojson: which pixels are inside a polygon, those whose centres are or those of pycocotools
    #[arg(long, value_name = "RULE", value_parser = choice!(FillRule), default_value = "centre")]
    pub(crate) fill_rule: FillRule,
    /// geojson: the property of features that holds their labels [default: metadata.label, otherwise their place]
    #[arg(long, value_name = "NAME")]
    pub(crate) label_property: Option<String>,
}

/// How a run file is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing run files")]
pub(crate) struct WriteArgs {
    /// The format of the run file [default: by its extension, otherwise hubmap]
    #[arg(short, long, value_name = "FORMAT", value_parser = format_parser())]
    pub(crate) format: Option<Format>,
    /// hubmap: rows for the labels 1 to N [default: up to the largest label]
    #[arg(long, value_name = "N")]
    pub(crate) labels: Option<u64>,
    /// hubmap: reproduce the defects of another program. notebook is Method 1 of the original notebook: where labels
    /// touch, a run loses its first pixel; a run that ends at the last pixel of the mask is lost
    #[arg(long, value_parser = choice!(Compat), value_name = "PROGRAM")]
    pub(crate) compat: Option<Compat>,
    /// End lines with CR LF, as Python's csv module does
    #[arg(long)]
    pub(crate) crlf: bool,
    /// kaggle: the number of the first pixel [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) base: Option<u64>,
    /// CSV formats with several headers: which one, for instance ImageId,EncodedPixels
    #[arg(long, value_name = "TEXT")]
    pub(crate) header: Option<String>,
    /// The image's id, for formats that name images [default: the mask's file name without its extension]
    #[arg(long, value_name = "ID")]
    pub(crate) image_id: Option<String>,
    /// kaggle, siim: all objects of an image as one row
    #[arg(long)]
    pub(crate) union: bool,
    /// Leave out labels without runs where the format cannot hold them
    #[arg(long)]
    pub(crate) drop_empty_labels: bool,
    /// What to do with counts above 2^32 - 1, which other programs cannot read: refuse them, split them into parts with
    /// counts of 0 between, or keep them whole
    #[arg(long, value_parser = choice!(LargeCounts), default_value = "refuse")]
    pub(crate) large_counts: LargeCounts,
    /// coco: a dataset (images, annotations, categories) or results (a list of annotations)
    #[arg(long, value_parser = choice!(CocoForm), default_value = "dataset")]
    pub(crate) coco_form: CocoForm,
    /// coco, sam: counts as COCO's compressed text or as a list of numbers
    #[arg(long, value_parser = choice!(JsonCounts), default_value = "compressed")]
    pub(crate) counts: JsonCounts,
    /// coco: the category of a label; may be given again
    #[arg(long, value_name = "LABEL=CATEGORY", value_parser = pair::<u64>)]
    pub(crate) category_of: Vec<(u64, u64)>,
    /// The name of every object's category; coco: with a number and =, the name of that category; may be given again
    #[arg(long, value_name = "[NUMBER=]NAME")]
    pub(crate) category: Vec<Category>,
    /// coco, cvat, labelstudio: the name of the image's file [default: the mask's file name]
    #[arg(long, value_name = "NAME")]
    pub(crate) file_name: Option<String>,
    /// labelstudio: the URL of the image, or with / or = at its end what stands before its file name [default: Label
    /// Studio's address of local files]
    #[arg(long, value_name = "URL")]
    pub(crate) image_url: Option<String>,
    /// geojson: the class of all objects, with its colour if QuPath's reader is not to get one made from the name
    #[arg(long, value_name = "NAME[=R,G,B]", value_parser = class)]
    pub(crate) class: Option<Class>,
    /// geojson: what objects are to QuPath [default: detections from 10,000 on, otherwise annotations]
    #[arg(long, value_name = "TYPE", value_parser = choice!(ObjectType))]
    pub(crate) object_type: Option<ObjectType>,
    /// geojson: leave out points of outlines, none of them further than this from the outline; says what that does to areas
    #[arg(long, value_name = "PIXELS")]
    pub(crate) simplify: Option<f64>,
    /// geojson: measure objects, and write this as measurements; `all` is all
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = properties_parser())]
    pub(crate) measure: Vec<Properties>,
}

/// How a file is read that may be a mask or a run file.
#[derive(Debug, Clone, Args)]
pub(crate) struct EitherArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) mask: MaskArgs,
    /// Read a mask file without a header as labels of this type
    #[arg(long, value_parser = choice!(Dtype), requires_all = ["height", "width"], help_heading = "Reading masks")]
    pub(crate) dtype: Option<Dtype>,
    /// The label without runs of its own in a mask, or `none`
    #[arg(long, value_name = "N|none", default_value = "0", help_heading = "Reading masks")]
    pub(crate) background: Background,
    /// Memory that the program may take for a mask, for instance 500M or 2G; what needs more is an error [default: 200M
    /// and 32 times what the mask takes where it is stored]
    #[arg(long, value_name = "SIZE", value_parser = memory, help_heading = "Reading masks")]
    pub(crate) memory: Option<u64>,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
}

/// How a mask file is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing masks")]
pub(crate) struct MaskOutputArgs {
    /// The format of the mask file [default: by its extension]
    #[arg(long, value_parser = choice!(MaskFormat), value_name = "FORMAT")]
    pub(crate) mask_format: Option<MaskFormat>,
    /// TIFF: how tiles are compressed; deflate is read by every program, zstd is faster and smaller
    #[arg(long, value_parser = choice!(Compression), value_name = "METHOD", default_value = "deflate")]
    pub(crate) compression: Compression,
    /// TIFF: half the size, a quarter and so on as well, for viewers
    #[arg(long)]
    pub(crate) pyramid: bool,
}

/// What a synthetic mask holds.
#[derive(Debug, Clone, Args)]
pub(crate) struct Looks {
    /// Number of labels [default: as dense as in real slides]
    #[arg(long, value_name = "N")]
    pub(crate) labels: Option<u64>,
    /// Another seed is another mask
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The type of the labels [default: u16 for glomeruli, u32 for cells, u8 for noise]
    #[arg(long, value_parser = choice!(Dtype))]
    pub(crate) dtype: Option<Dtype>,
}

impl MaskOutputArgs {
    pub(crate) fn options(&self) -> CreateOptions {
        let mut options = CreateOptions::default();
        options.format = self.mask_format;
        options.compression = self.compression;
        options.pyramid = self.pyramid;
        options
    }
}
