//! What was compared: totals by engine, and the file that a later start goes on from.

use std::collections::BTreeMap;
use std::path::Path;

/// Pixels by what was compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals(BTreeMap<String, u64>);

impl Totals {
    pub(crate) fn add(&mut self, name: &str, pixels: usize) {
        match self.0.get_mut(name) {
            Some(total) => *total += pixels as u64,
            None => _ = self.0.insert(name.to_owned(), pixels as u64),
        }
    }

    fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, &pixels)| self.add(name, pixels as usize));
    }

    /// All pixels, but for those that only this program's own oracles were compared over.
    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().filter(|(name, _)| *name != "definition").map(|(_, pixels)| pixels).sum()
    }

    pub(crate) fn line(&self) -> String {
        let names = self.0.iter().map(|(name, pixels)| format!("{name} {:.3e}", *pixels as f64));
        names.collect::<Vec<_>>().join(", ")
    }
}

/// One sequence of masks: those of the processor's engines, or those of the GPU.
#[derive(Debug, Default)]
struct Sequence {
    /// Number of the next mask that nobody has begun.
    next: u64,
    /// All masks before this one are counted.
    counted: u64,
    /// Masks that were done before one that was begun earlier.
    ahead: BTreeMap<u64, Totals>,
}

/// What was done. Only masks without gaps are counted, so that a start after a stop at any moment counts none twice.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) seed: u64,
    sequences: [Sequence; 2],
    pub(crate) totals: Totals,
    /// Seconds of all runs.
    pub(crate) seconds: u64,
}

impl Ledger {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, sequences: Default::default(), totals: Totals::default(), seconds: 0 }
    }

    /// The number of the next mask of a sequence.
    pub(crate) fn begin(&mut self, sequence: usize) -> u64 {
        let sequence = &mut self.sequences[sequence];
        sequence.next += 1;
        sequence.next - 1
    }

    /// Counts a mask that is done.
    pub(crate) fn done(&mut self, sequence: usize, mask: u64, totals: Totals) {
        let sequence = &mut self.sequences[sequence];
        sequence.ahead.insert(mask, totals);
        while let Some(totals) = sequence.ahead.remove(&sequence.counted) {
            self.totals.add_all(&totals);
            sequence.counted += 1;
        }
    }

    pub(crate) fn masks(&self) -> u64 {
        self.sequences.iter().map(|sequence| sequence.counted).sum()
    }

    /// The ledger of a file; nothing when there is no file.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let mut ledger = Self::new(0);
        for line in text.lines() {
            let parsed = line.rsplit_once(' ').and_then(|(name, value)| Some((name, value.parse::<u64>().ok()?)));
            let (name, value) = parsed.ok_or_else(|| format!("{}: `{line}` is no name and number", path.display()))?;
            match name {
                "seed" => ledger.seed = value,
                "seconds" => ledger.seconds = value,
                "masks" => ledger.sequences[0] = Sequence { next: value, counted: value, ..Sequence::default() },
                "gpu masks" => ledger.sequences[1] = Sequence { next: value, counted: value, ..Sequence::default() },
                name => ledger.totals.add(name.strip_prefix("pixels ").unwrap_or(name), value as usize),
            }
        }
        Ok(Some(ledger))
    }

    /// Writes the file beside its place and puts it there whole.
    pub(crate) fn save(&self, path: &Path, seconds: u64) -> Result<(), String> {
        let [masks, of_gpu] = &self.sequences;
        let mut text = format!(
            "seed {}\nseconds {}\nmasks {}\ngpu masks {}\n",
            self.seed,
            self.seconds + seconds,
            masks.counted,
            of_gpu.counted
        );
        self.totals.0.iter().for_each(|(name, pixels)| text += &format!("pixels {name} {pixels}\n"));
        let mut aside = path.as_os_str().to_owned();
        aside.push(".new");
        let told = |error| format!("{}: {error}", path.display());
        std::fs::write(&aside, text).map_err(told)?;
        std::fs::rename(&aside, path).map_err(told)
    }
}
