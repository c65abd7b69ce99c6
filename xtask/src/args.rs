//! Command-line options: `--name VALUE`, `--name=VALUE`, flags, and what stands after `--`.

use crate::process::Result;

/// The arguments of a task; taking an option removes it.
#[derive(Debug)]
pub(crate) struct Args {
    options: Vec<String>,
    /// What follows `--`; none where there is no `--`.
    command: Option<Vec<String>>,
}

impl Args {
    pub(crate) fn new(mut options: Vec<String>) -> Args {
        let command = options.iter().position(|argument| argument == "--").map(|at| {
            let command = options.split_off(at + 1);
            options.pop();
            command
        });
        Args { options, command }
    }

    /// Whether a flag is given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.options.len();
        self.options.retain(|argument| argument != name);
        self.options.len() != before
    }

    /// The value of an option; the last one counts.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>> {
        let mut found = None;
        while let Some(at) = self.position(name) {
            let argument = self.options.remove(at);
            found = Some(match argument.split_once('=') {
                Some((_, value)) => value.to_string(),
                None if at < self.options.len() => self.options.remove(at),
                None => return Err(format!("{name} needs a value").into()),
            });
        }
        Ok(found)
    }

    /// Whether an option is given, leaving it in place.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    fn position(&self, name: &str) -> Option<usize> {
        let is_it = |argument: &String| {
            argument.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        self.options.iter().position(is_it)
    }

    /// A number.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{name} needs a number, not `{text}`").into())
    }

    /// Prints help where asked for, and says that nothing more is to be done.
    pub(crate) fn help(&mut self, text: &str) -> bool {
        let asked = self.flag("--help") | self.flag("-h");
        if asked {
            println!("{text}");
        }
        asked
    }

    /// Everything not taken yet, as it was given, `--` included.
    pub(crate) fn into_rest(self) -> Vec<String> {
        let mut rest = self.options;
        if let Some(command) = self.command {
            rest.push("--".to_string());
            rest.extend(command);
        }
        rest
    }

    /// Positional arguments, once every option was taken. An unknown option is an error.
    pub(crate) fn positional(self) -> Result<Vec<String>> {
        match self.options.iter().find(|argument| argument.starts_with("--")) {
            Some(unknown) => Err(format!("unknown option {unknown}").into()),
            None => Ok(self.options),
        }
    }

    /// For tasks without positional arguments.
    pub(crate) fn finish(self) -> Result<()> {
        match self.positional()?.first() {
            Some(stray) => Err(format!("unexpected argument `{stray}`").into()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Args;

    fn args(line: &str) -> Args {
        Args::new(line.split_whitespace().map(str::to_string).collect())
    }

    #[test]
    fn options_are_taken_and_the_rest_stays() {
        let mut given = args("--port 80 --host=node --strace a --port=81 -- prog --host x");
        assert_eq!(given.value("--host").unwrap().as_deref(), Some("node"));
        assert_eq!(given.number("--port").unwrap(), Some(81));
        assert!(given.has("--strace"));
        assert_eq!(given.into_rest(), ["--strace", "a", "--", "prog", "--host", "x"]);
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(args("--port").value("--port").is_err());
        assert!(args("--port x").number("--port").is_err());
        assert!(args("--bogus").finish().is_err());
        assert!(args("stray").finish().is_err());
    }
}
