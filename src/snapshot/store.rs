//! Where snapshots lie: `{group}/{shard}/{taken_at_ms}-{seq}.snap` below a directory or a bucket's prefix.
//!
//! A file is written under another name and switched when it is whole and on the disk (`fsync` of the file and of its
//! directory); an object in a bucket appears when its upload is completed. So what a listing shows is whole, or damaged
//! later.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::{Path, PathPart};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};

use super::error::StoreError;
use super::{bucket, directory};
use crate::domain::Timestamp;

const SUFFIX: &str = ".snap";
/// S3 takes no part below 5 MiB but the last.
const PART_BYTES: usize = 8 << 20;
/// Taken at once when a snapshot is read.
const READ_BYTES: usize = 8 << 20;
/// Parts of one upload under way at once.
const PARTS_IN_FLIGHT: usize = 2;
/// A place that is away is not waited for only to tidy it.
const ABORT_WITHIN: Duration = Duration::from_secs(5);

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
        SnapshotStore::open_with(url, &[])
    }

    /// [`SnapshotStore::open`] with settings of an S3 bucket (`aws_endpoint`, …) that stand before the environment's.
    ///
    /// # Errors
    /// As there, and where a setting makes no sense.
    pub fn open_with(url: &str, settings: &[(&str, &str)]) -> Result<Self, StoreError> {
        if let Some(directory) = directory::named_by(url).map_err(|reason| bad_url(url, reason))? {
            let io = |e: std::io::Error| StoreError::io("create", directory.display(), &e);
            std::fs::create_dir_all(&directory).map_err(io)?;
            directory::remove_staged(&directory, SystemTime::now());
        }
        SnapshotStore::existing(url, settings)
    }

    /// [`SnapshotStore::open`] to read alone: a directory that is absent is an error, and nothing is made or tidied.
    ///
    /// # Errors
    /// The URL names no such place.
    pub fn open_existing(url: &str) -> Result<Self, StoreError> {
        SnapshotStore::existing(url, &[])
    }

    fn existing(url: &str, settings: &[(&str, &str)]) -> Result<Self, StoreError> {
        let bad = |reason: String| bad_url(url, reason);
        let with = |store: Arc<dyn ObjectStore>, root| SnapshotStore {
            store,
            root,
            url: url.trim_end_matches('/').into(),
            sequence: Arc::default(),
        };
        if let Some(directory) = directory::named_by(url).map_err(bad)? {
            let store = LocalFileSystem::new_with_prefix(&directory);
            let store = store.map_err(|e| StoreError::io("read", directory.display(), &e))?;
            return Ok(with(Arc::new(store.with_fsync(true)), Path::default()));
        }
        let (store, root) = bucket::open(url, settings).map_err(bad)?;
        Ok(with(store, root))
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

    /// A snapshot's bytes, as they come: piece by piece, for a store bounds the time and the retries of one request, and a
    /// shard may take longer than that to be read.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub async fn read(&self, path: &str) -> Result<BoxStream<'static, Result<Vec<u8>, StoreError>>, StoreError> {
        let path = Path::from(path);
        let (store, location) = (Arc::clone(&self.store), self.locate(&path));
        let size = store.head(&path).await.map_err(|e| StoreError::io("read", &location, &e))?.size;
        let pieces = (0..size).step_by(READ_BYTES).map(move |from| from..size.min(from + READ_BYTES as u64));
        let read = move |range| {
            let (store, path, location) = (Arc::clone(&store), path.clone(), location.clone());
            async move {
                let piece = store.get_range(&path, range).await;
                piece.map(Into::into).map_err(|e| StoreError::io("read", &location, &e))
            }
        };
        Ok(futures::stream::iter(pieces).then(read).boxed())
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
        let _ = tokio::time::timeout(ABORT_WITHIN, self.upload.abort()).await;
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
