//! The files themselves: opened, bounded, read as UTF-8, and handed on as text.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::domain::Entity;
use crate::policy::Policies;

use super::problem::{ConfigErrors, Level, Problem, SourceFile, Warning};
use super::read::{Lookup, Reader};
use super::yaml::FILE_BYTES_MAX;
use super::{Config, ics, policies, service, values};

impl Config {
    /// Reads orderwatch.yaml and the policies that it names, with this process's environment.
    ///
    /// # Errors
    /// Every error of both files.
    pub fn load(path: &Path) -> Result<(Config, Vec<Warning>), ConfigErrors> {
        Config::load_with(path, None, &environment)
    }

    /// The same, with a policy file other than the one that `policies:` names, and with the caller's variables.
    ///
    /// # Errors
    /// Every error of both files.
    pub fn load_with(
        path: &Path,
        other_policies: Option<&Path>,
        variables: Lookup<'_>,
    ) -> Result<(Config, Vec<Warning>), ConfigErrors> {
        let file = open(path).map_err(|problem| ConfigErrors(vec![problem]))?;
        let mut of_policies = Vec::new();
        let mut reader = Reader::new(Arc::new(file), Some(variables));
        let config = reader.root(|r, root| {
            service::service(r, root, &mut |r, node, about| {
                // Paths are relative to the file that names them, wherever the process was started.
                let named = path.parent().unwrap_or(Path::new("")).join(values::text(r, node)?.as_str());
                let policies_path = other_policies.map_or(named, Path::to_path_buf);
                match open(&policies_path) {
                    Ok(file) => {
                        let (policies, problems) = read_policies(file, &policies_path, about);
                        of_policies = problems;
                        Some((policies_path, Arc::new(policies?)))
                    }
                    Err(problem) if other_policies.is_some() => {
                        of_policies = vec![problem];
                        None
                    }
                    Err(problem) => {
                        r.error(&node.span, problem.to_string());
                        None
                    }
                }
            })
        });
        let mut problems = reader.finish();
        problems.extend(of_policies);
        sound(config, problems)
    }
}

/// Reads a policy file alone.
///
/// # Errors
/// Every error of the file.
pub fn load_policies(path: &Path) -> Result<(Policies, Vec<Warning>), ConfigErrors> {
    let file = open(path).map_err(|problem| ConfigErrors(vec![problem]))?;
    let (policies, problems) = read_policies(file, path, None);
    sound(policies, problems)
}

/// A policy file with the holidays of the files beside it. `about`: what the streams are about, where that is known.
fn read_policies(file: SourceFile, path: &Path, about: Option<&[Entity]>) -> (Option<Policies>, Vec<Problem>) {
    let beside = path.parent().unwrap_or(Path::new(""));
    match ics::filled_in(file, &|name| open(&beside.join(name))) {
        Ok(file) => policies::read(file, about),
        Err(problems) => (None, problems),
    }
}

/// Reads a policy document that is no file, such as a snapshot's. `name` stands in errors. Another process's streams may be
/// about more than ours, so any entity is taken.
///
/// # Errors
/// Every error of the document.
pub fn parse_policies(name: &str, text: &str) -> Result<(Policies, Vec<Warning>), ConfigErrors> {
    let (policies, problems) = policies::read(SourceFile::new(name, text), None);
    sound(policies, problems)
}

/// A value was read and nothing but warnings was said.
fn sound<T>(value: Option<T>, problems: Vec<Problem>) -> Result<(T, Vec<Warning>), ConfigErrors> {
    let wrong = problems.iter().any(|p| p.level == Level::Error);
    match value {
        Some(value) if !wrong => Ok((value, problems)),
        _ => Err(ConfigErrors(problems)),
    }
}

/// A variable that is not UTF-8 counts as not set.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn open(path: &Path) -> Result<SourceFile, Problem> {
    let name = path.display().to_string();
    let unreadable = |message: String| Problem {
        level: Level::Error,
        file: Arc::new(SourceFile::new(&*name, "")),
        span: None,
        message,
        help: None,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| unreadable(format!("cannot be read: {e}")))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(unreadable(format!("is larger than {} MiB, which no configuration is", FILE_BYTES_MAX >> 20)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceFile::new(name, text)),
        Err(e) => {
            let valid = e.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(e.as_bytes()).into_owned();
            // Up to there the lossy text is the file's own.
            Err(Problem {
                level: Level::Error,
                file: Arc::new(SourceFile::new(name, text)),
                span: Some(valid..valid + char::REPLACEMENT_CHARACTER.len_utf8()),
                message: "the file is not UTF-8 from here on".to_owned(),
                help: None,
            })
        }
    }
}
