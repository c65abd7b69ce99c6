//! Where packages come from: the machine's own apt sources, for another suite.

use crate::process::{Context, Result};
use std::fs;
use std::path::Path;

/// A package source: address and suite, and the key that signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    address: String,
    suite: String,
    signed_by: Option<String>,
}

/// The lines of a `sources.list(5)` for `suite`: main, then updates, then security as far as the machine has them.
pub(super) fn lines(suite: &str, mirror: Option<&str>) -> Result<Vec<String>> {
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let keyring = Path::new(keyring).exists().then(|| keyring.to_string());
    if let Some(mirror) = mirror {
        let source = Source { address: mirror.into(), suite: suite.into(), signed_by: keyring };
        return Ok(vec![line(&source)]);
    }
    let own = codename()?;
    let known = machine_sources(Path::new("/etc/apt"))?;
    let mut chosen = Vec::new();
    for suffix in ["", "-updates", "-security"] {
        let wanted = format!("{own}{suffix}");
        if let Some(source) = known.iter().find(|source| source.suite == wanted) {
            let signed_by = source.signed_by.clone().or_else(|| keyring.clone());
            chosen.push(line(&Source { suite: format!("{suite}{suffix}"), signed_by, ..source.clone() }));
        }
    }
    if chosen.is_empty() {
        return Err(
            format!("this machine's apt sources name no Debian suite `{own}`; give --mirror URL").into()
        );
    }
    Ok(chosen)
}

fn line(source: &Source) -> String {
    let options = source.signed_by.as_ref().map(|key| format!("[signed-by={key}] ")).unwrap_or_default();
    format!("deb {options}{} {} main", source.address, source.suite)
}

/// The machine's suite, by os-release(5).
fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context(|| "reading /etc/os-release".into())?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.map(|value| value.trim_matches('"').to_string())
    };
    match (field("ID").as_deref(), field("VERSION_CODENAME")) {
        (Some("debian"), Some(codename)) => Ok(codename),
        _ => Err("this machine does not run Debian, so its apt sources hold no Debian packages; give --mirror URL \
                  of a Debian mirror"
            .into()),
    }
}

fn machine_sources(folder: &Path) -> Result<Vec<Source>> {
    let mut files = vec![folder.join("sources.list")];
    let parts = fs::read_dir(folder.join("sources.list.d")).into_iter().flatten().flatten();
    files.extend(parts.map(|entry| entry.path()));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => all.extend(one_line_style(&text)),
            Some("sources") => all.extend(deb822_style(&text)),
            _ => {}
        }
    }
    Ok(all)
}

/// `deb [options] address suite component…`.
fn one_line_style(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ") else { continue };
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((options, rest)) => (options, rest),
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let (Some(address), Some(suite)) = (words.next(), words.next()) else { continue };
        let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        if words.any(|component| component == "main") {
            sources.push(Source {
                address: address.into(),
                suite: suite.into(),
                signed_by: signed_by.map(Into::into),
            });
        }
    }
    sources
}

/// Stanzas of `Field: value`.
fn deb822_style(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let text: String =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            let value = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.unwrap_or_default().trim().to_string()
        };
        let off = field("Enabled") == "no";
        let has = |list: &str, word: &str| field(list).split_whitespace().any(|item| item == word);
        if off || !has("Types", "deb") || !has("Components", "main") {
            continue;
        }
        let signed_by = Some(field("Signed-By")).filter(|path| path.starts_with('/'));
        for address in field("URIs").split_whitespace() {
            for suite in field("Suites").split_whitespace() {
                sources.push(Source {
                    address: address.into(),
                    suite: suite.into(),
                    signed_by: signed_by.clone(),
                });
            }
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::{deb822_style, one_line_style};

    #[test]
    fn both_styles_are_read() {
        let old = "# deb http://a/ x main\ndeb [signed-by=/k.gpg arch=amd64] http://a/d stable main contrib\n\
                   deb-src http://a/d stable main\ndeb http://b/ other nonfree\n";
        let found = one_line_style(old);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].suite.as_str(), found[0].signed_by.as_deref()), ("stable", Some("/k.gpg")));

        let new = "Types: deb\n# note\nURIs: http://a/d\nSuites: stable stable-updates\nComponents: main\n\
                   Signed-By: /k.gpg\n\nTypes: deb\nURIs: http://b/\nSuites: x\nComponents: other\n";
        let found = deb822_style(new);
        assert_eq!(found.iter().map(|s| s.suite.as_str()).collect::<Vec<_>>(), ["stable", "stable-updates"]);
        assert_eq!(found[0].signed_by.as_deref(), Some("/k.gpg"));
    }
}
