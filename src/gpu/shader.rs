//! The text of every kernel, for every kind of label and layout.
//!
//! Gets the WGSL files of `shaders/`; gives the text of one [`Variant`]; guarantees nothing about its correctness, which
//! naga checks in a test and again when the device compiles it.
//!
//! The files are WGSL with three directives, each on a line of its own, because the kernels need straight-line code
//! (a loop of WGSL is bounded by a counter in every round, which costs more than its body) and fields as wide as a label:
//!
//! ```text
//! //@if NAME                 the lines up to //@else or //@end, when NAME is set
//! //@for i in 0..4           the lines up to //@end, with {i} replaced by 0, 1, 2, 3
//! //@for name in a b c       the same for words
//! ```
//!
//! `{NAME}` stands for a value anywhere, in directives too.

use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::strip::Layout;

/// What a kernel's text depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    /// The type of the labels.
    pub dtype: Dtype,
    /// How lines lie in memory.
    pub layout: Layout,
    /// Whether every row of memory begins at a multiple of 16 bytes.
    pub aligned: bool,
    /// Whether an event is one word, the label above the place.
    pub packed: bool,
}

/// A shader file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shader {
    /// Entry point `mark`.
    Mark,
    /// Entry point `column_scan`; the same text for every variant.
    ColumnScan,
    /// Entry point `scatter`.
    Scatter,
    /// Entry point `copy`, for measurements; the same text for every variant.
    Copy,
}

impl Shader {
    /// Every shader.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::Mark, Self::ColumnScan, Self::Scatter, Self::Copy];

    /// The file's name without its extension.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::ColumnScan => "column_scan",
            Self::Scatter => "scatter",
            Self::Copy => "copy",
        }
    }

    /// The WGSL text for one variant.
    pub(crate) fn text(self, variant: Variant) -> Result<String> {
        let file = match self {
            Self::Mark => include_str!("../../shaders/mark.wgsl"),
            Self::ColumnScan => include_str!("../../shaders/column_scan.wgsl"),
            Self::Scatter => include_str!("../../shaders/scatter.wgsl"),
            Self::Copy => include_str!("../../shaders/copy.wgsl"),
        };
        let settings = variant.settings();
        let body = expand(file, &settings).map_err(|what| Error::Engine {
            engine: "gpu",
            message: format!("shaders/{}.wgsl: {what}", self.name()),
        })?;
        Ok([include_str!("../../shaders/params.wgsl"), &body].concat())
    }
}

impl Variant {
    /// Every variant there is.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let flags = [false, true];
        Dtype::ALL.iter().copied().flat_map(move |dtype| {
            [Layout::Across, Layout::Along].into_iter().flat_map(move |layout| {
                flags.into_iter().flat_map(move |aligned| {
                    flags.into_iter().filter(move |&packed| !packed || dtype.bytes() <= 2).map(move |packed| Self {
                        dtype,
                        layout,
                        aligned,
                        packed,
                    })
                })
            })
        })
    }

    /// Lines that one workgroup of mark owns.
    pub(crate) fn lines_per_group(self) -> u32 {
        match self.layout {
            Layout::Across => 32 * self.labels_per_block(),
            Layout::Along => 8 * self.labels_per_block(),
        }
    }

    /// Labels in 16 bytes.
    pub(crate) fn labels_per_block(self) -> u32 {
        16 / self.dtype.bytes() as u32
    }

    /// Bytes of one event.
    pub(crate) fn event_bytes(self) -> u32 {
        match (self.packed, self.dtype) {
            (true, _) => 4,
            (false, Dtype::U64) => 16,
            (false, _) => 8,
        }
    }

    /// Whether the places of lines of this length fit beside a label in one word.
    pub(crate) fn packs(dtype: Dtype, length: u32) -> bool {
        dtype.bytes() <= 2 && u64::from(length) <= 1 << Self::place_bits(dtype)
    }

    /// Bits of a packed event that hold the place.
    pub(crate) fn place_bits(dtype: Dtype) -> u32 {
        32 - 8 * dtype.bytes().min(4) as u32
    }

    fn settings(self) -> Settings {
        let dtype = self.dtype;
        // The width of a field: labels of 64 bits are compared as 32.
        let field = (8 * dtype.bytes() as u32).min(32);
        let ones = u32::MAX / (u32::MAX >> (32 - field));
        let lines = self.lines_per_group();
        let flags = [
            ("ACROSS", self.layout == Layout::Across),
            ("ALONG", self.layout == Layout::Along),
            ("ALIGNED", self.aligned),
            ("PACKED", self.packed),
            ("U8", dtype == Dtype::U8),
            ("U16", dtype == Dtype::U16),
            ("U32", dtype == Dtype::U32),
            ("U64", dtype == Dtype::U64),
        ];
        let numbers = [
            ("BYTES", dtype.bytes() as u32),
            ("LABELS", self.labels_per_block()),
            ("LINES", lines),
            ("TILE", 8 * lines),
            ("FIELD", field),
            ("ACCUMULATORS", 32 / field),
            ("ONES", ones),
            ("TOP", ones << (field - 1)),
            ("ROUNDS", lines.div_ceil(256)),
            ("CLEARS", (8 * lines).div_ceil(256)),
            ("PLACE_BITS", Self::place_bits(dtype)),
        ];
        let sources = if self.layout == Layout::Across { "labels above" } else { "labels" };
        Settings {
            flags: flags.into_iter().filter(|&(_, set)| set).map(|(name, _)| name).collect(),
            values: numbers
                .into_iter()
                .map(|(name, number)| (name.to_owned(), number.to_string()))
                .chain([("SOURCES".to_owned(), sources.to_owned())])
                .collect(),
        }
    }
}

/// What directives ask for.
struct Settings {
    flags: Vec<&'static str>,
    values: Vec<(String, String)>,
}

impl Settings {
    fn fill_in(&self, line: &str) -> String {
        self.values.iter().fold(line.to_owned(), |line, (name, value)| line.replace(&format!("{{{name}}}"), value))
    }
}

/// The text with its directives carried out; the error says which line is wrong.
fn expand(text: &str, settings: &Settings) -> Result<String, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(4 * text.len());
    expand_lines(&lines, settings, &mut out)?;
    Ok(out)
}

fn expand_lines(lines: &[&str], settings: &Settings, out: &mut String) -> Result<(), String> {
    let mut at = 0;
    while let Some(&line) = lines.get(at) {
        let filled = settings.fill_in(line);
        if let Some(name) = filled.strip_prefix("//@if ") {
            let (otherwise, end) = block(lines, at)?;
            let set = settings.flags.contains(&name.trim());
            let chosen = match (set, otherwise) {
                (true, otherwise) => &lines[at + 1..otherwise.unwrap_or(end)],
                (false, Some(otherwise)) => &lines[otherwise + 1..end],
                (false, None) => &[],
            };
            expand_lines(chosen, settings, out)?;
            at = end;
        } else if let Some(header) = filled.strip_prefix("//@for ") {
            let (_, end) = block(lines, at)?;
            let (name, words) = header.split_once(" in ").ok_or_else(|| format!("`{line}` has no ` in `"))?;
            for word in words_of(words)? {
                let values = settings.values.iter().cloned().chain([(name.trim().to_owned(), word)]).collect();
                expand_lines(&lines[at + 1..end], &Settings { flags: settings.flags.clone(), values }, out)?;
            }
            at = end;
        } else if filled.starts_with("//@") {
            return Err(format!("`{line}` stands alone or is no directive"));
        } else {
            out.push_str(&filled);
            out.push('\n');
        }
        at += 1;
    }
    Ok(())
}

/// The lines of the `//@else` and the `//@end` that belong to the directive in line `start`.
fn block(lines: &[&str], start: usize) -> Result<(Option<usize>, usize), String> {
    let (mut depth, mut otherwise) = (0, None);
    for (at, line) in lines.iter().enumerate().skip(start) {
        if line.starts_with("//@if ") || line.starts_with("//@for ") {
            depth += 1;
        } else if line.starts_with("//@else") && depth == 1 {
            otherwise = Some(at);
        } else if line.starts_with("//@end") {
            depth -= 1;
            if depth == 0 {
                return Ok((otherwise, at));
            }
        }
    }
    Err(format!("`{}` has no //@end", lines[start]))
}

fn words_of(words: &str) -> Result<Vec<String>, String> {
    let Some((from, to)) = words.trim().split_once("..") else {
        return Ok(words.split_whitespace().map(str::to_owned).collect());
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("`{words}` is no range"));
    Ok((number(from)?..number(to)?).map(|number| number.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        expand(text, &Settings { flags: vec!["YES"], values: vec![("N".into(), "3".into())] })
    }

    #[test]
    fn directives_choose_and_repeat_lines() {
        let text =
            "a{N}\n//@if YES\nb\n//@for i in 1..{N}\n//@for w in x y\nc{i}{w}\n//@end\n//@end\n//@else\nd\n//@end\ne";
        assert_eq!(expanded(text).unwrap(), "a3\nb\nc1x\nc1y\nc2x\nc2y\ne\n");
        assert_eq!(expanded("//@if NO\nb\n//@if YES\nc\n//@end\n//@else\nd\n//@end").unwrap(), "d\n");
    }

    #[test]
    fn wrong_directives_are_named() {
        for text in ["//@if YES\na", "//@end", "//@for i of 0..2\n//@end", "//@for i in 0..x\n//@end", "//@ends"] {
            let error = expanded(text).unwrap_err();
            assert!(error.contains('`'), "{error}");
        }
    }

    /// Every shader is valid WGSL, and naga translates it to what Vulkan, Metal and DX12 compile.
    #[test]
    fn naga_translates_every_variant() {
        for variant in Variant::all() {
            for shader in Shader::ALL {
                let text = shader.text(variant).unwrap();
                assert!(!text.contains("//@"), "{variant:?}");
                translate(shader, variant, &text);
            }
        }
    }

    fn translate(shader: Shader, variant: Variant, text: &str) {
        use naga::back::{hlsl, msl, spv};

        let fault = |what: &str, error: &dyn std::fmt::Display| -> ! {
            panic!("{} for {variant:?}: {what}: {error}\n{text}", shader.name())
        };
        let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| fault("WGSL", &e.emit_to_string(text)));
        // No capability beyond the core: what WebGPU guarantees everywhere.
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        let info = validator.validate(&module).unwrap_or_else(|e| fault("validation", &e.emit_to_string(text)));

        let words =
            spv::write_vec(&module, &info, &spv::Options::default(), None).unwrap_or_else(|e| fault("SPIR-V", &e));
        assert_eq!(words[0], 0x0723_0203);

        let options = msl::Options { fake_missing_bindings: true, ..Default::default() };
        let (metal, _) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
            .unwrap_or_else(|e| fault("MSL", &e));
        assert!(metal.contains("kernel void"));

        let mut direct = String::new();
        let options = hlsl::Options { fake_missing_bindings: true, ..Default::default() };
        let pipeline = hlsl::PipelineOptions::default();
        hlsl::Writer::new(&mut direct, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| fault("HLSL", &e));
        assert!(direct.contains("numthreads"));
    }
}
