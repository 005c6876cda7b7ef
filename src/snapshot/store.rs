//! Where snapshots lie: `{group}/{shard}/{taken_at_ms}-{seq}.snap` below a directory or a bucket's prefix.
//!
//! A file is written under another name and switched when it is whole and on the disk (`fsync` of the file and of its
//! directory); an object in a bucket appears when its upload is completed. So what a listing shows is whole, or damaged
//! later.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::{Path, PathPart};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use url::Url;

use super::error::StoreError;
use crate::domain::Timestamp;

const SUFFIX: &str = ".snap";
/// S3 takes no part below 5 MiB but the last.
const PART_BYTES: usize = 8 << 20;
/// Parts of one upload under way at once.
const PARTS_IN_FLIGHT: usize = 2;
/// What a killed process left half written is removed after this long; nobody writes one file for longer.
const STAGED_AGE_MAX: Duration = Duration::from_secs(3600);

/// A directory or a bucket with snapshots in it. Cheap to clone.
#[derive(Clone)]
pub struct SnapshotStore {
    store: Arc<dyn ObjectStore>,
    root: Path,
    url: Arc<str>,
    sequence: Arc<AtomicU32>,
}

/// One snapshot in a store. Ordered by age, the oldest first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SnapshotName {
    /// When it was taken, as its name says, in milliseconds since the epoch.
    pub taken_at_ms: i64,
    /// Tells two of one instant apart.
    pub sequence: u32,
    /// Where it lies in the store.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

impl SnapshotStore {
    /// Opens `url`: a directory (`file:///…` or a path, made where it is absent) or a bucket (`s3://`, `gs://`, `az://`
    /// and their like, with credentials and settings from the environment: `AWS_*`, `GOOGLE_*`, `AZURE_*`).
    ///
    /// # Errors
    /// The URL names no such place, or the directory cannot be made.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        if let Some(directory) = local_directory(url).map_err(|reason| bad_url(url, reason))? {
            let io = |e: std::io::Error| StoreError::io("create", directory.display(), &e);
            std::fs::create_dir_all(&directory).map_err(io)?;
            remove_staged(&directory, SystemTime::now());
        }
        SnapshotStore::open_existing(url)
    }

    /// [`SnapshotStore::open`] to read alone: a directory that is absent is an error, and nothing is made or tidied.
    ///
    /// # Errors
    /// The URL names no such place.
    pub fn open_existing(url: &str) -> Result<Self, StoreError> {
        let bad = |reason: String| bad_url(url, reason);
        let with = |store: Arc<dyn ObjectStore>, root| SnapshotStore {
            store,
            root,
            url: url.trim_end_matches('/').into(),
            sequence: Arc::default(),
        };
        if let Some(directory) = local_directory(url).map_err(bad)? {
            let store = LocalFileSystem::new_with_prefix(&directory);
            let store = store.map_err(|e| StoreError::io("read", directory.display(), &e))?;
            return Ok(with(Arc::new(store.with_fsync(true)), Path::default()));
        }
        let parsed = Url::parse(url).map_err(|e| bad(e.to_string()))?;
        // vars() would panic on a variable that is not UTF-8.
        let environment =
            std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        let (store, root) = object_store::parse_url_opts(&parsed, environment).map_err(|e| bad(e.to_string()))?;
        Ok(with(Arc::from(store), root))
    }

    /// What `target` names to a reader: one snapshot (a file or an object ending in `.snap`), or every one in a place.
    ///
    /// # Errors
    /// It names no such place, or the place cannot be listed.
    pub async fn find(target: &str) -> Result<(Self, Vec<SnapshotName>), StoreError> {
        if !target.ends_with(SUFFIX) {
            let store = SnapshotStore::open_existing(target)?;
            let names = store.list_all().await?;
            return Ok((store, names));
        }
        let (place, file) = target.rsplit_once('/').unwrap_or((".", target));
        let store = SnapshotStore::open_existing(place)?;
        let path = store.root.clone().join(file);
        let meta = store.store.head(&path).await.map_err(|e| StoreError::io("read", target, &e))?;
        let name = SnapshotName::parse(&path, meta.size).unwrap_or(SnapshotName {
            taken_at_ms: 0,
            sequence: 0,
            path: path.to_string(),
            bytes: meta.size,
        });
        Ok((store, vec![name]))
    }

    /// Writes and removes a small object, so that a place that cannot be written is said at start.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let path = self.root.clone().join(format!("writable-{}", std::process::id()));
        let written = self.store.put(&path, Vec::new().into()).await;
        written.map_err(|e| StoreError::io("write", self.locate(&path), &e))?;
        self.store.delete(&path).await.map_err(|e| StoreError::io("remove", self.locate(&path), &e))
    }

    /// A shard's snapshots, the oldest first.
    ///
    /// # Errors
    /// The place cannot be listed.
    pub async fn list(&self, group_id: &str, shard: i32) -> Result<Vec<SnapshotName>, StoreError> {
        self.list_below(&self.shard_path(group_id, shard)).await
    }

    /// Every snapshot in the store, by path and then age.
    ///
    /// # Errors
    /// The place cannot be listed.
    pub async fn list_all(&self) -> Result<Vec<SnapshotName>, StoreError> {
        let mut names = self.list_below(&self.root).await?;
        names.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(names)
    }

    async fn list_below(&self, path: &Path) -> Result<Vec<SnapshotName>, StoreError> {
        let metas = self.store.list(Some(path)).try_collect::<Vec<_>>().await;
        let metas = match metas {
            Ok(metas) => metas,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(e) => return Err(StoreError::io("list", self.locate(path), &e)),
        };
        let mut names: Vec<_> =
            metas.iter().filter_map(|meta| SnapshotName::parse(&meta.location, meta.size)).collect();
        names.sort();
        Ok(names)
    }

    /// Begins a file that is newer, by its name, than every other of its shard: a clock that went back must not make the
    /// next restore take an old one.
    ///
    /// # Errors
    /// The place cannot be listed or written.
    pub async fn create(&self, group_id: &str, shard: i32, taken_at: Timestamp) -> Result<NewFile, StoreError> {
        let newest = self.list(group_id, shard).await?.last().map(|name| name.taken_at_ms);
        let ms = newest.map_or(taken_at.as_millis(), |newest| taken_at.as_millis().max(newest.saturating_add(1)));
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let path = self.shard_path(group_id, shard).join(format!("{ms:015}-{sequence:06}{SUFFIX}"));
        let location = self.locate(&path);
        let upload = self.store.put_multipart(&path).await.map_err(|e| StoreError::io("write", &location, &e))?;
        let upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        Ok(NewFile { upload, path: path.to_string(), location, bytes: 0 })
    }

    /// Removes all but the newest `keep` snapshots of a shard.
    ///
    /// # Errors
    /// One of them could not be removed; the others were tried.
    pub async fn prune(&self, group_id: &str, shard: i32, keep: usize) -> Result<(), StoreError> {
        let names = self.list(group_id, shard).await?;
        let old = names.len().saturating_sub(keep.max(1));
        let mut result = Ok(());
        for name in names.iter().take(old) {
            let path = Path::from(name.path.as_str());
            match self.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => result = Err(StoreError::io("remove", self.locate(&path), &e)),
            }
        }
        result
    }

    /// A snapshot's bytes, as they come.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub async fn read(&self, path: &str) -> Result<BoxStream<'static, Result<Vec<u8>, StoreError>>, StoreError> {
        let path = Path::from(path);
        let location = self.locate(&path);
        let got = self.store.get(&path).await.map_err(|e| StoreError::io("read", &location, &e))?;
        let pieces = got.into_stream();
        Ok(pieces.map(move |p| p.map(Into::into).map_err(|e| StoreError::io("read", &location, &e))).boxed())
    }

    /// A path in the store as a person would look for it.
    pub fn locate(&self, path: impl fmt::Display) -> String {
        let path = path.to_string();
        let below = path.strip_prefix(self.root.as_ref()).unwrap_or(&path);
        format!("{}/{}", self.url, below.trim_start_matches('/'))
    }

    fn shard_path(&self, group_id: &str, shard: i32) -> Path {
        // A PathPart encodes what a path may not hold, so a group named `a/b` or `..` stays below the root.
        self.root.clone().join(PathPart::from(group_id)).join(format!("{shard:05}"))
    }
}

/// A file that is being written. Dropped before [`NewFile::finish`], nothing of it is ever listed.
#[derive(Debug)]
pub struct NewFile {
    upload: WriteMultipart,
    path: String,
    location: String,
    bytes: u64,
}

impl NewFile {
    /// Adds bytes; waits while too much is under way.
    ///
    /// # Errors
    /// The place does not take them.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let ready = self.upload.wait_for_capacity(PARTS_IN_FLIGHT).await;
        ready.map_err(|e| StoreError::io("write", &self.location, &e))?;
        self.upload.write(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Switches the file in; gives its path and its size.
    ///
    /// # Errors
    /// The place does not take it; what was there before stands.
    pub async fn finish(self) -> Result<(String, u64), StoreError> {
        let done = self.upload.finish().await;
        done.map_err(|e| StoreError::io("write", &self.location, &e))?;
        Ok((self.path, self.bytes))
    }

    /// Gives the file up, and what a bucket holds of it.
    pub async fn abort(self) {
        // Nothing refers to the parts; a bucket's lifecycle rule takes what is left.
        let _ = self.upload.abort().await;
    }
}

impl SnapshotName {
    fn parse(path: &Path, bytes: u64) -> Option<Self> {
        let (ms, sequence) = path.filename()?.strip_suffix(SUFFIX)?.split_once('-')?;
        Some(SnapshotName {
            taken_at_ms: ms.parse().ok()?,
            sequence: sequence.parse().ok()?,
            path: path.to_string(),
            bytes,
        })
    }
}

impl fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotStore({})", self.url)
    }
}

fn bad_url(url: &str, reason: String) -> StoreError {
    StoreError::Url { url: url.to_owned(), reason }
}

/// The directory that `url` names; `None` for a bucket.
fn local_directory(url: &str) -> Result<Option<PathBuf>, String> {
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
fn remove_staged(directory: &FilePath, now: SystemTime) {
    let children = |dir: &FilePath| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
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
        assert_eq!(local_directory("file:///var/lib/x").unwrap(), Some("/var/lib/x".into()));
        assert_eq!(local_directory("snapshots").unwrap(), Some("snapshots".into()));
        assert_eq!(local_directory("./a:b").unwrap(), Some("./a:b".into()));
        assert_eq!(local_directory("s3://bucket/prefix").unwrap(), None);
        assert!(local_directory("file://host/x").unwrap_err().contains("three slashes"));
        assert!(local_directory("").is_err());
    }

    #[test]
    fn a_scheme_nobody_knows_is_refused_with_the_url() {
        let error = SnapshotStore::open("ftp://host/x").unwrap_err().to_string();
        assert!(error.contains("`ftp://host/x`"), "{error}");
    }

    #[test]
    fn buckets_open_without_asking_the_network() {
        let store = SnapshotStore::open("s3://bucket/orders/snapshots").unwrap();
        assert_eq!(store.locate("orders/snapshots/g/00001/x.snap"), "s3://bucket/orders/snapshots/g/00001/x.snap");
    }

    #[test]
    fn a_place_that_cannot_be_a_directory_says_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = SnapshotStore::open(file.path().join("snapshots").to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("cannot create") && error.contains("no directory is in the way"), "{error}");
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
