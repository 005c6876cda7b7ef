//! A local directory by its URL, and what a killed process left in it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use url::Url;

/// What a killed process left half written is removed after this long; nobody writes one file for longer.
const STAGED_AGE_MAX: Duration = Duration::from_secs(3600);

/// The directory that `url` names; `None` for a bucket.
pub fn named_by(url: &str) -> Result<Option<PathBuf>, String> {
    if url.is_empty() {
        return Err("it is empty; write a directory or `s3://bucket/prefix`".to_owned());
    }
    match url.split_once(':') {
        Some(("file", _)) => {
            let parsed = Url::parse(url).map_err(|e| e.to_string())?;
            let path =
                parsed.to_file_path().map_err(|()| "write `file:///directory`, with three slashes".to_owned())?;
            Ok(Some(path))
        }
        Some((_, rest)) if rest.starts_with('/') => Ok(None),
        _ => Ok(Some(PathBuf::from(url))),
    }
}

/// Removes what a killed process left half written (`….snap#1`). What cannot be removed is left: it harms nobody.
pub fn remove_staged(directory: &Path, now: SystemTime) {
    let children = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for file in children(directory).flat_map(|group| children(&group)).flat_map(|shard| children(&shard)) {
        let staged = file.file_name().is_some_and(|name| name.to_string_lossy().contains(".snap#"));
        let modified = file.metadata().and_then(|m| m.modified()).unwrap_or(now);
        if staged && now.duration_since(modified).unwrap_or_default() >= STAGED_AGE_MAX {
            let _ = std::fs::remove_file(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_directories_from_buckets() {
        assert_eq!(named_by("file:///var/lib/x").unwrap(), Some("/var/lib/x".into()));
        assert_eq!(named_by("snapshots").unwrap(), Some("snapshots".into()));
        assert_eq!(named_by("./a:b").unwrap(), Some("./a:b".into()));
        assert_eq!(named_by("s3://bucket/prefix").unwrap(), None);
        assert!(named_by("file://host/x").unwrap_err().contains("three slashes"));
        assert!(named_by("").is_err());
    }

    #[test]
    fn old_leavings_are_removed_and_young_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let shard = dir.path().join("g/00000");
        std::fs::create_dir_all(&shard).unwrap();
        let staged = shard.join("000000000000001-000000.snap#1");
        let whole = shard.join("000000000000001-000000.snap");
        for file in [&staged, &whole] {
            std::fs::write(file, b"x").unwrap();
        }
        remove_staged(dir.path(), SystemTime::now());
        assert!(staged.exists());
        remove_staged(dir.path(), SystemTime::now() + STAGED_AGE_MAX + Duration::from_secs(1));
        assert!(!staged.exists() && whole.exists());
    }
}
