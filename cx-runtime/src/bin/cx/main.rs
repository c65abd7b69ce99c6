//! `cx`: the native host, without a screen.
//!
//! `cx run` makes a machine, starts one program on it and connects its standard streams to ours ([`host`]). The root
//! is an image file, an image on a web server or a packed directory ([`image`]); the devices below are in [`device`],
//! [`store`] and [`http`]. [`copy`] brings files in for `--mount`; [`terminal`] is for `--tty`.
#![forbid(unsafe_code)]

mod copy;
mod device;
mod host;
mod http;
mod image;
mod options;
mod pack;
mod store;
mod terminal;

use options::Parsed;
use std::process::ExitCode;

/// Our own failures, apart from those of guests: like env(1) and docker-run(1).
const OWN_FAILURE: u8 = 125;

fn main() -> ExitCode {
    let parsed = match options::parse(std::env::args_os().skip(1).collect()) {
        Ok(parsed) => parsed,
        Err(message) => {
            eprintln!("cx: {message}\ncx: `cx --help` shows the options");
            return ExitCode::from(2);
        }
    };
    let options = match parsed {
        Parsed::Help => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Parsed::Run(options) => options,
    };
    match host::run(*options) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("cx: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Why a run could not be made, and the exit status that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure { message, code: OWN_FAILURE }
    }
}

impl Failure {
    pub(crate) fn with_code(message: String, code: u8) -> Failure {
        Failure { message, code }
    }
}
