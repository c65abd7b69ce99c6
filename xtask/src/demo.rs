//! `xtask demo`: the page, with a Debian to work in.

use crate::args::Args;
use crate::image::{Recipe, build};
use crate::process::{Result, find_program};
use crate::serve::{Route, Server};
use crate::web;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

const HELP: &str = "usage: cargo xtask demo [--port N] [--preset NAME] [--image FILE] [--no-open]
Builds a small Debian image (first time: about a minute) and the page, and serves both on this machine.";

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let port = args.number("--port")?;
    let preset = args.value("--preset")?.unwrap_or_else(|| "mini".into());
    let image = args.value("--image")?.map(PathBuf::from);
    let open = !args.flag("--no-open");
    args.finish()?;
    let image = match image {
        Some(image) if image.is_file() => image,
        Some(image) => return Err(format!("there is no image {}", image.display()).into()),
        None => build(&Recipe::preset(&preset)?, false)?,
    };
    web::build_if_stale()?;
    let routes = vec![Route::file("/image.ext2", image), Route::folder("/", web::dist())];
    let server = Server::bind(port)?;
    let address = server.address();
    println!("\n  Open {address} in a browser. Ctrl-C ends.\n");
    if open && std::env::var_os("DISPLAY").is_some() && find_program("xdg-open").is_some() {
        let opened =
            Command::new("xdg-open").arg(&address).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        if let Err(error) = opened {
            eprintln!("xtask demo: no browser opened: {error}");
        }
    }
    server.run(routes)
}
