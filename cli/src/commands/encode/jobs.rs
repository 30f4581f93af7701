//! Every mask with the file that its runs go to.
//!
//! Gets the arguments; gives one job for each mask; guarantees that no two jobs write one file and that none writes an
//! input, whatever names lead to it, before anything is touched.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use runmask::format::Format;
use runmask::{Error, Result, ScanOrder};

use crate::args::Encode;
use crate::kind::{self, Kind};
use crate::paths::{is_read_once, is_stream, refuse_inputs};

/// A mask and where its runs go.
pub(super) struct Job {
    pub(super) mask: PathBuf,
    pub(super) output: PathBuf,
    pub(super) format: Format,
}

impl Job {
    /// What the mask is called where a format names images.
    pub(super) fn image(&self) -> String {
        image_name(&self.mask).unwrap_or_else(|| "1".into())
    }

    /// Bytes of the mask's file, as far as they are known.
    pub(super) fn bytes(&self) -> u64 {
        self.mask.metadata().map_or(0, |file| file.len())
    }
}

/// What a mask of this name is called where a format names images.
pub(super) fn image_name(mask: &Path) -> Option<String> {
    mask.file_stem().filter(|_| !is_stream(mask)).map(|stem| stem.to_string_lossy().into())
}

/// The jobs that the arguments ask for.
pub(super) fn jobs(args: &Encode) -> Result<Vec<Job>> {
    if args.verify && args.masks.iter().any(|mask| is_read_once(mask)) {
        return Err(Error::Argument("a pipe or standard input cannot be read twice, which --verify does".into()));
    }
    for (place, mask) in args.masks.iter().enumerate() {
        check_mask(place, mask, args)?;
    }
    let jobs = args.masks.iter().map(|mask| job(mask, args)).collect::<Result<Vec<_>>>()?;
    match &args.output {
        Some(output) if jobs.len() > 1 => check_shared(&jobs, output, args)?,
        _ => refuse_one_output_for_two(&jobs, folds_case)?,
    }
    if args.encoder.order != ScanOrder::ColumnMajor
        && let Some(job) = jobs.iter().find(|job| !job.format.capabilities().any_order)
    {
        let message = format!("a {} file has an order of its own: leave out --order", job.format.name());
        return Err(Error::Argument(message));
    }
    for job in &jobs {
        refuse_inputs(&job.output, args.masks.iter().map(PathBuf::as_path))?;
        kind::runs_go_to(&job.output)?;
        if args.json && is_stream(&job.output) {
            return Err(Error::Argument("runs and summary cannot both go to standard output".into()));
        }
    }
    Ok(jobs)
}

/// An error unless the runs of all masks can go to one file.
fn check_shared(jobs: &[Job], output: &Path, args: &Encode) -> Result<()> {
    let many = |format: &&Format| format.capabilities().many_images;
    let format = jobs[0].format;
    if !many(&&format) {
        let names: Vec<_> = Format::ALL.iter().filter(many).map(|format| format.name()).collect();
        return Err(Error::Argument(format!(
            "{}: a {} file holds one mask, and {} are given: name a folder with --out-dir, or a format that holds many \
             with -f: {}",
            output.display(),
            format.name(),
            jobs.len(),
            names.join(", ")
        )));
    }
    if args.write.image_id.is_some() {
        return Err(Error::Argument("--image-id names one image; many masks have the names of their files".into()));
    }
    let mut images = HashMap::new();
    for job in jobs {
        if let Some(other) = images.insert(job.image(), job) {
            return Err(Error::Argument(format!(
                "{} and {} would both be the image {}: masks that go to one file need names of their own",
                other.mask.display(),
                job.mask.display(),
                job.image()
            )));
        }
    }
    Ok(())
}

/// Asks back when a mask is rather something else: before anything is touched, so that no other mask is encoded either.
fn check_mask(place: usize, mask: &Path, args: &Encode) -> Result<()> {
    let given = args.output.is_some() || args.out_dir.is_some();
    let kind = Kind::of_file(mask).or_else(|| Kind::of_name(mask).filter(|_| !mask.exists()));
    match kind {
        _ if args.raw.dtype.is_some() => Ok(()),
        Some(Kind::Runs) if place > 0 && !given => {
            let mask = mask.display();
            Err(Error::Argument(format!("{mask} is a run file, not a mask: -o {mask} writes the runs to it")))
        }
        // Of many, as in `encode folder/*`, a folder is one that fails.
        Some(Kind::Folder) if args.masks.len() > 1 && mask.file_name().is_some() => Ok(()),
        _ => kind::expect_mask(mask),
    }
}

fn job(mask: &Path, args: &Encode) -> Result<Job> {
    let format = args.write.format;
    let job = |output: PathBuf, format| Job { mask: mask.to_path_buf(), output, format };
    if let Some(output) = &args.output {
        let format = format.or_else(|| Format::from_path(output)).unwrap_or(Format::Hubmap);
        return Ok(job(output.clone(), format));
    }
    let format = format.unwrap_or(Format::Hubmap);
    if is_stream(mask) {
        return match &args.out_dir {
            None => Ok(job("-".into(), format)),
            Some(_) => Err(Error::Argument("standard input has no name: say with -o where its runs go".into())),
        };
    }
    let output = mask.with_extension(format.extension());
    match (&args.out_dir, output.file_name()) {
        (None, _) => Ok(job(output, format)),
        (Some(folder), Some(name)) => Ok(job(folder.join(name), format)),
        (Some(_), None) => Err(Error::Argument(format!("{}: not the name of a file", mask.display()))),
    }
}

/// A file, whatever name leads to it: its folder, as the system knows it, and its name there.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    folder: PathBuf,
    name: OsString,
}

impl Place {
    /// Where writing `path` writes to. A link leads to the file that it names, there or not.
    fn of(path: &Path) -> Self {
        /// Links that lead to links: more are a circle, which writing finds out.
        const LINKS: usize = 40;
        let mut path = path.to_path_buf();
        for _ in 0..LINKS {
            let Ok(target) = fs::read_link(&path) else { break };
            path = path.parent().unwrap_or(Path::new("")).join(target);
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        Self { folder: canonical(folder), name: path.file_name().unwrap_or(OsStr::new("")).to_owned() }
    }

    /// The same for all names that differ in capitals only.
    fn folded(&self) -> Self {
        let name = self.name.to_str().map_or_else(|| self.name.clone(), |name| name.to_lowercase().into());
        Self { folder: self.folder.clone(), name }
    }
}

/// The path of a folder without links and dots; of one that is not there yet, from the part that is.
fn canonical(folder: &Path) -> PathBuf {
    if let Ok(found) = fs::canonicalize(folder) {
        return found;
    }
    match (folder.parent(), folder.file_name()) {
        (Some(parent), Some(name)) if parent != Path::new("") => canonical(parent).join(name),
        (_, Some(name)) => canonical(Path::new(".")).join(name),
        _ => folder.to_path_buf(),
    }
}

/// An error when the runs of two masks would go to one file. `folds_case` tells whether names in a folder that differ in
/// capitals only are one.
fn refuse_one_output_for_two(jobs: &[Job], folds_case: impl Fn(&Path) -> bool) -> Result<()> {
    let (mut exact, mut folded) = (HashMap::new(), HashMap::new());
    for job in jobs {
        let place = match is_stream(&job.output) {
            true => Place { folder: PathBuf::new(), name: "-".into() },
            false => Place::of(&job.output),
        };
        let other = folded.insert(place.folded(), job).filter(|_| folds_case(&place.folder));
        if let Some(other) = exact.insert(place, job).or(other) {
            return Err(Error::Argument(format!(
                "the runs of {} and of {} would both go to {}",
                other.mask.display(),
                job.mask.display(),
                job.output.display()
            )));
        }
    }
    Ok(())
}

/// Whether the file system takes names in this folder that differ in capitals only for one: tried with a file, which is
/// removed again, in the nearest folder that is there.
fn folds_case(folder: &Path) -> bool {
    let Some(folder) = folder.ancestors().find(|folder| folder.is_dir()) else { return false };
    let Ok(file) = tempfile::Builder::new().prefix(".runmask-case-").tempfile_in(folder) else { return false };
    let name = file.path().file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    folder.join(name).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outputs: &[&Path], folds: bool) -> bool {
        let job = |output: &&Path| Job { mask: "mask".into(), output: output.to_path_buf(), format: Format::Table };
        refuse_one_output_for_two(&outputs.iter().map(job).collect::<Vec<_>>(), |_| folds).is_ok()
    }

    #[test]
    fn names_that_lead_to_one_file_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("real")).unwrap();
        let plain = path("real/a.csv");
        assert!(check(&[&plain, &path("real/b.csv"), &path("a.csv")], true));
        assert!(!check(&[&plain, &plain], false));
        assert!(!check(&[&plain, &path("real/../real/./a.csv")], false));
        assert!(!check(&[&path("new/folder/a.csv"), &path("new/./folder/a.csv")], false));
        assert!(!check(&[Path::new("new/a.csv"), &std::env::current_dir().unwrap().join("new/a.csv")], false));
        assert!(!check(&[Path::new("-"), Path::new("-")], false));
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink("real", path("linked")).unwrap();
            symlink("real/c.csv", path("one")).unwrap();
            symlink("linked/c.csv", path("two")).unwrap();
            assert!(!check(&[&plain, &path("linked/a.csv")], false));
            assert!(!check(&[&path("one"), &path("two")], false));
            assert!(!check(&[&path("real/c.csv"), &path("two")], false));
            assert!(check(&[&plain, &path("two")], false));
        }
    }

    #[test]
    fn capitals_matter_where_the_file_system_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (small, large) = (folder.path().join("a.csv"), folder.path().join("A.csv"));
        assert!(check(&[&small, &large], false));
        assert!(!check(&[&small, &large], true));
        assert!(!check(&[&small, &large, &small], false));
        fs::write(&small, "").unwrap();
        assert_eq!(folds_case(folder.path()), large.exists());
        assert_eq!(folds_case(&folder.path().join("not/there")), large.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
