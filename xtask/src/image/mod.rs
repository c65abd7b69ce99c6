//! `xtask image`: ext2 images of Debian systems, directories and tars.
//!
//! A Debian tree is made by mmdebstrap (no mounts, no emulation), adjusted ([`system`]), and packed by `mke2fs -d`
//! ([`pack`]). Images are kept with the recipe they were made from, and made anew when the recipe changes; the tree
//! is kept too, for tests that run the same programs natively under chroot.

mod pack;
mod presets;
mod sources;
mod system;

use crate::args::Args;
use crate::process::{Context, Progress, Result, is_root, program, run, run_with_progress};
use crate::{project, setup};
use presets::Preset;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "usage: cargo xtask image [OPTIONS]
Builds an ext2 image and prints its path.

  --preset NAME     set of packages: tiny, mini (default), dev, processor, bench, large
  --suite SUITE     Debian suite: bookworm (default), trixie, …
  --arch ARCH       i386 (default) or amd64
  --include A,B     further packages
  --size MIB        size of the image; by default the content and some room
  --mirror URL      where packages come from; by default the machine's own apt sources
  --from-dir DIR    pack a directory instead
  --from-tar FILE   pack a tar file instead
  --out FILE        where to put it; by default target/images/NAME.ext2
  --fresh           build even where a current one is there";

/// What an image is made of.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) suite: String,
    pub(crate) arch: String,
    preset: &'static Preset,
    include: Vec<String>,
    mirror: Option<String>,
    size_mib: Option<u64>,
}

impl Recipe {
    /// Debian 12 for i386.
    pub(crate) fn preset(name: &str) -> Result<Recipe> {
        let preset = presets::find(name)?;
        Ok(Recipe {
            suite: "bookworm".into(),
            arch: "i386".into(),
            preset,
            include: Vec::new(),
            mirror: None,
            size_mib: None,
        })
    }

    pub(crate) fn name(&self) -> String {
        let mut name = format!("{}-{}-{}", self.suite, self.arch, self.preset.name);
        if !self.include.is_empty() {
            name.push_str(&format!("-{}", short_name_of(&self.include.join(","))));
        }
        name
    }

    fn packages(&self) -> Vec<String> {
        let chosen =
            self.preset.packages.iter().flat_map(|group| group.iter()).map(|name| (*name).to_string());
        chosen.chain(self.include.iter().cloned()).collect()
    }

    /// Everything that the content follows from.
    fn text(&self) -> String {
        format!(
            "version {}\nsuite {}\narch {}\nvariant {}\npackages {}\nremoved {}\nsize {:?}\n",
            system::VERSION,
            self.suite,
            self.arch,
            self.preset.variant,
            self.packages().join(","),
            self.preset.remove.join(","),
            self.size_mib,
        )
    }
}

/// A short name for a text (FNV-1a); no check of content.
fn short_name_of(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    format!("{:08x}", hash as u32)
}

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let out = args.value("--out")?.map(PathBuf::from);
    let size_mib = args.number("--size")?;
    let fresh = args.flag("--fresh");
    let from_dir = args.value("--from-dir")?;
    let from_tar = args.value("--from-tar")?;
    let mut recipe = Recipe::preset(&args.value("--preset")?.unwrap_or_else(|| "mini".into()))?;
    recipe.suite = args.value("--suite")?.unwrap_or(recipe.suite);
    recipe.arch = args.value("--arch")?.unwrap_or(recipe.arch);
    recipe.mirror = args.value("--mirror")?;
    recipe.size_mib = size_mib;
    let include = args.value("--include")?.unwrap_or_default();
    recipe.include = include.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_string).collect();
    args.finish()?;
    let image = match (from_dir, from_tar) {
        (Some(_), Some(_)) => return Err("--from-dir and --from-tar exclude each other".into()),
        (Some(dir), None) => from_directory(Path::new(&dir), out, size_mib)?,
        (None, Some(tar)) => from_tar_file(Path::new(&tar), out, size_mib)?,
        (None, None) => {
            let image = build(&recipe, fresh)?;
            match out {
                Some(out) => {
                    copy_sparse(&image, &out)?;
                    out
                }
                None => image,
            }
        }
    };
    println!("{}", image.display());
    Ok(ExitCode::SUCCESS)
}

/// The image of a recipe, built where there is no current one.
pub(crate) fn build(recipe: &Recipe, fresh: bool) -> Result<PathBuf> {
    let folder = project::images();
    fs::create_dir_all(&folder).context(|| folder.display().to_string())?;
    let name = recipe.name();
    let image = folder.join(format!("{name}.ext2"));
    let tree = folder.join(format!("{name}.root"));
    let stamp = folder.join(format!("{name}.recipe"));
    // One at a time: tests started together may want the same image.
    let lock = fs::File::create(folder.join(format!("{name}.lock")))?;
    lock.lock().context(|| "waiting for another image build".to_string())?;
    let current = || image.exists() && fs::read_to_string(&stamp).is_ok_and(|text| text == recipe.text());
    if !fresh && current() {
        return Ok(image);
    }
    setup::image_tools()?;
    let clock = Progress::start();
    clock.step(&format!("building {name} from Debian packages: {}", recipe.preset.what));
    let _ = fs::remove_file(&stamp);
    remove_tree(&tree)?;
    let tree_in_progress = folder.join(format!("{name}.root.partial"));
    remove_tree(&tree_in_progress)?;
    retrying(&clock, || install_packages(recipe, &tree_in_progress, &clock))?;
    system::adjust(&tree_in_progress, recipe.preset.remove)?;
    fs::rename(&tree_in_progress, &tree)?;
    clock.step("packing");
    pack::directory(&tree, &image, recipe.size_mib, recipe.preset.room_mib, recipe.preset.name)?;
    fs::write(&stamp, recipe.text())?;
    let size = fs::metadata(&image)?.len() >> 20;
    clock.step(&format!("done: {size} MiB, {}", image.display()));
    Ok(image)
}

/// Does it up to three times: mirrors refuse and break off now and then.
fn retrying(clock: &Progress, mut attempt: impl FnMut() -> Result) -> Result {
    for pause in [5, 30] {
        let Err(failure) = attempt() else { return Ok(()) };
        clock.step(&format!("{failure}\ntrying again in {pause} seconds"));
        std::thread::sleep(std::time::Duration::from_secs(pause));
    }
    attempt()
}

fn install_packages(recipe: &Recipe, tree: &Path, clock: &Progress) -> Result {
    if !is_root() {
        return Err("building from packages needs root (file owners, chroot): run it with sudo, or give a \
                    directory or tar (--from-dir, --from-tar), or an image of your own (--image)"
            .into());
    }
    let sources = sources::lines(&recipe.suite, recipe.mirror.as_deref())?;
    let list = tree.with_extension("list");
    let mut last = String::new();
    // Update and security suites are sometimes caught in the middle of a mirror's update: do without them then.
    for count in (1..=sources.len()).rev() {
        remove_tree(tree)?;
        fs::write(&list, sources[..count].join("\n") + "\n")?;
        let mut command = program("mmdebstrap");
        command.arg(format!("--arch={}", recipe.arch)).arg(format!("--variant={}", recipe.preset.variant));
        command.args(["--mode=root", "--aptopt=Acquire::Check-Valid-Until \"false\""]);
        for kind in ["man", "locale", "doc", "info", "lintian"] {
            command.arg(format!("--dpkgopt=path-exclude=/usr/share/{kind}/*"));
        }
        command.arg("--dpkgopt=path-include=/usr/share/doc/*/copyright");
        command.arg("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
        command.arg(format!("--include={}", recipe.packages().join(",")));
        command.arg(&recipe.suite).arg(tree).arg(&list);
        let result = run_with_progress(&mut command, clock);
        let _ = fs::remove_file(&list);
        match result {
            Ok(_) => return Ok(()),
            Err(failure) => last = failure.0,
        }
        if !last.contains("index files failed to download") || count == 1 {
            break;
        }
        clock.step("an update suite cannot be fetched just now: doing without it");
    }
    let tail: Vec<&str> = last.lines().rev().take(15).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    Err(format!("mmdebstrap failed:\n{}", tail.join("\n")).into())
}

fn default_out(given: Option<PathBuf>, source: &Path) -> Result<PathBuf> {
    if let Some(out) = given {
        return Ok(out);
    }
    let folder = project::images();
    fs::create_dir_all(&folder)?;
    let name = source.canonicalize()?;
    let name = name.file_stem().map_or_else(|| "image".into(), |stem| stem.to_string_lossy().into_owned());
    Ok(folder.join(format!("{name}.ext2")))
}

/// An image of a directory for one run; the next one of the same directory takes its place.
pub(crate) fn scratch(dir: &Path) -> Result<String> {
    let folder = project::images();
    fs::create_dir_all(&folder)?;
    let full = dir.canonicalize().context(|| dir.display().to_string())?;
    let name = format!("directory-{}.ext2", short_name_of(&full.to_string_lossy()));
    let image = from_directory(dir, Some(folder.join(name)), None)?;
    Ok(image.to_string_lossy().into_owned())
}

fn from_directory(dir: &Path, out: Option<PathBuf>, size_mib: Option<u64>) -> Result<PathBuf> {
    if !dir.is_dir() {
        return Err(format!("{} is not a directory", dir.display()).into());
    }
    setup::programs(&["mke2fs"])?;
    let out = default_out(out, dir)?;
    pack::directory(dir, &out, size_mib, 64, "root")?;
    Ok(out)
}

fn from_tar_file(tar: &Path, out: Option<PathBuf>, size_mib: Option<u64>) -> Result<PathBuf> {
    if !tar.is_file() {
        return Err(format!("there is no file {}", tar.display()).into());
    }
    setup::programs(&["mke2fs", "tar"])?;
    let out = default_out(out, tar)?;
    let tree = out.with_extension("unpacked");
    remove_tree(&tree)?;
    fs::create_dir_all(&tree)?;
    let result = if is_root() {
        let unpack = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf"];
        run(program("tar").arg("-C").arg(&tree).args(unpack).arg(tar))
            .and_then(|()| pack::directory(&tree, &out, size_mib, 64, "root"))
    } else {
        setup::programs(&["fakeroot"])?;
        pack::tar_as_somebody(tar, &tree, &out, size_mib)
    };
    let cleaned = remove_tree(&tree);
    result.and(cleaned)?;
    Ok(out)
}

/// Copies a mostly empty file without its holes.
fn copy_sparse(from: &Path, to: &Path) -> Result {
    run(program("cp").arg("--sparse=always").arg(from).arg(to))
}

/// Removes a tree where it is there.
fn remove_tree(tree: &Path) -> Result {
    match fs::remove_dir_all(tree) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("removing {}: {error}", tree.display()).into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::Recipe;

    #[test]
    fn names_tell_recipes_apart() {
        let mini = Recipe::preset("mini").unwrap();
        assert_eq!(mini.name(), "bookworm-i386-mini");
        let more = Recipe { include: vec!["file".into()], ..mini.clone() };
        assert_ne!(more.name(), mini.name());
        assert_ne!(more.text(), mini.text());
        assert!(Recipe::preset("no such").is_err());
    }
}
