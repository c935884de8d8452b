//! The objects of a mirror: packs on disk, mapped into memory and never changed.

pub(crate) mod encode;

use crate::ObjectId;
use gix::hash::Kind as HashKind;
use gix::zlib::Inflate;
use gix_pack::cache::lru::MemoryCappedHashmap;
use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of delta bases that one reading thread keeps.
const DELTA_CACHE: usize = 16 << 20;

/// The four kinds of Git objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ObjectKind {
    Commit,
    Tree,
    Blob,
    Tag,
}

/// An object with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub kind: ObjectKind,
    pub data: Vec<u8>,
}

/// A pack and its index.
pub(crate) struct Pack {
    bundle: gix_pack::Bundle,
    path: PathBuf,
}

/// The packs of a mirror at one moment, and objects that are only in memory. Cheap to clone.
///
/// Guarantee: what it holds stays readable when the mirror drops packs, as the files stay mapped.
#[derive(Clone)]
pub(crate) struct Packs {
    on_disk: Arc<Vec<Arc<Pack>>>,
    in_memory: Arc<HashMap<ObjectId, Object>>,
    /// The objects of a checkout, which come after our own.
    checkout: Option<Arc<Mutex<gix::odb::Handle>>>,
    readers: Arc<Readers>,
    largest_object: usize,
}

/// What decoding needs beside the packs, kept between reads.
#[derive(Default)]
struct Readers {
    idle: Mutex<Vec<Reader>>,
    next_pack: AtomicU32,
}

struct Reader {
    inflate: Inflate,
    cache: MemoryCappedHashmap,
}

/// Why an incoming pack was not taken in.
#[derive(Debug)]
pub(crate) enum IndexFailure {
    /// The stream broke; the error is the reader's own.
    Read(io::Error),
    /// The disk does not take it.
    Write(io::Error),
    /// More objects or bytes than allowed.
    TooLarge { limit: u64, unit: &'static str },
    /// The pack is malformed, or misses objects.
    Malformed(String),
}

impl From<IndexFailure> for io::Error {
    /// For packs of our own, where only the disk is to blame.
    fn from(failure: IndexFailure) -> Self {
        match failure {
            IndexFailure::Read(error) | IndexFailure::Write(error) => error,
            other => Self::other(format!("{other:?}")),
        }
    }
}

impl ObjectKind {
    fn from_gix(kind: gix::objs::Kind) -> Self {
        match kind {
            gix::objs::Kind::Commit => Self::Commit,
            gix::objs::Kind::Tree => Self::Tree,
            gix::objs::Kind::Blob => Self::Blob,
            gix::objs::Kind::Tag => Self::Tag,
        }
    }

    pub(crate) fn to_gix(self) -> gix::objs::Kind {
        match self {
            Self::Commit => gix::objs::Kind::Commit,
            Self::Tree => gix::objs::Kind::Tree,
            Self::Blob => gix::objs::Kind::Blob,
            Self::Tag => gix::objs::Kind::Tag,
        }
    }
}

impl Object {
    /// The name that follows from kind and content.
    pub(crate) fn id(&self) -> io::Result<ObjectId> {
        gix::objs::compute_hash(HashKind::Sha1, self.kind.to_gix(), &self.data)
            .map(|id| ObjectId::from_gix(&id))
            .map_err(io::Error::other)
    }

    pub(crate) fn from_gix(kind: gix::objs::Kind, data: Vec<u8>) -> Self {
        Self {
            kind: ObjectKind::from_gix(kind),
            data,
        }
    }
}

impl Pack {
    /// Maps a pack, and compares the checksums at the ends of its two files.
    pub(crate) fn open(index: &Path) -> Result<Self, String> {
        let bundle = gix_pack::Bundle::at(index, HashKind::Sha1).map_err(|error| error.to_string())?;
        if bundle.pack.checksum() != bundle.index.pack_checksum() {
            return Err("pack and index do not belong together".to_owned());
        }
        Ok(Self {
            bundle,
            path: index.with_extension("pack"),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets others read the two files, as Git does in a repository that is not only ours.
    pub(crate) fn publish(&self) -> io::Result<()> {
        for path in [self.path.clone(), self.path.with_extension("idx")] {
            let mut permissions = std::fs::metadata(&path)?.permissions();
            permissions.set_readonly(true);
            #[cfg(unix)]
            std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o444);
            std::fs::set_permissions(&path, permissions)?;
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> u32 {
        self.bundle.index.num_objects()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ObjectId> {
        (0..self.count()).map(|entry| ObjectId::from_gix(self.bundle.index.oid_at_index(entry)))
    }

    fn contains(&self, id: ObjectId) -> bool {
        self.bundle.index.lookup(id.to_gix()).is_some()
    }
}

impl Packs {
    pub(crate) fn new(largest_object: usize) -> Self {
        Self {
            on_disk: Arc::default(),
            in_memory: Arc::default(),
            checkout: None,
            readers: Arc::default(),
            largest_object,
        }
    }

    /// No packs of our own, but the objects of a checkout, loose ones and alternates included.
    pub(crate) fn of_checkout(objects: gix::odb::Handle) -> Self {
        Self {
            checkout: Some(Arc::new(Mutex::new(objects))),
            ..Self::new(usize::MAX)
        }
    }

    /// These packs, and one more that is searched first.
    pub(crate) fn with(&self, mut pack: Pack) -> Self {
        // The cache of delta bases knows packs by this number.
        pack.bundle.pack.id = self.readers.next_pack.fetch_add(1, Ordering::Relaxed);
        pack.bundle.pack.alloc_limit_bytes = Some(self.largest_object);
        let mut packs = vec![Arc::new(pack)];
        packs.extend(self.on_disk.iter().cloned());
        Self {
            on_disk: Arc::new(packs),
            ..self.clone()
        }
    }

    /// These packs without some.
    pub(crate) fn without(&self, dropped: &[Arc<Pack>]) -> Self {
        let kept = self
            .on_disk
            .iter()
            .filter(|pack| !dropped.iter().any(|other| Arc::ptr_eq(pack, other)));
        Self {
            on_disk: Arc::new(kept.cloned().collect()),
            ..self.clone()
        }
    }

    /// These packs, and objects that are nowhere on disk.
    pub(crate) fn with_memory(&self, objects: impl IntoIterator<Item = (ObjectId, Object)>) -> Self {
        let mut memory = (*self.in_memory).clone();
        memory.extend(objects);
        Self {
            in_memory: Arc::new(memory),
            ..self.clone()
        }
    }

    pub(crate) fn packs(&self) -> &[Arc<Pack>] {
        &self.on_disk
    }

    pub(crate) fn contains(&self, id: ObjectId) -> bool {
        self.in_memory.contains_key(&id) || self.on_disk.iter().any(|pack| pack.contains(id))
    }

    /// Reads an object; `None` when no pack has it.
    pub(crate) fn read(&self, id: ObjectId) -> Result<Option<Object>, String> {
        if let Some(object) = self.in_memory.get(&id) {
            return Ok(Some(object.clone()));
        }
        let Some(pack) = self.on_disk.iter().find(|pack| pack.contains(id)) else {
            let empty = || Object {
                kind: ObjectKind::Tree,
                data: Vec::new(),
            };
            return Ok(self
                .read_from_checkout(id)?
                .or_else(|| (id == ObjectId::EMPTY_TREE).then(empty)));
        };
        let mut reader = self.readers.take();
        let mut data = Vec::new();
        let found = unpanicked(|| {
            let found = pack
                .bundle
                .find(&id.to_gix(), &mut data, &mut reader.inflate, &mut reader.cache);
            found
                .map(|found| found.map(|(object, _)| object.kind))
                .map_err(|error| error.to_string())
        })?;
        self.readers.give_back(reader);
        Ok(found.map(|kind| Object::from_gix(kind, data)))
    }
}

impl Packs {
    fn read_from_checkout(&self, id: ObjectId) -> Result<Option<Object>, String> {
        let Some(objects) = &self.checkout else {
            return Ok(None);
        };
        let objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut data = Vec::new();
        let found = gix::objs::Find::try_find(&*objects, &id.to_gix(), &mut data);
        let kind = found
            .map_err(|error| error.to_string())?
            .map(|object| object.kind);
        Ok(kind.map(|kind| Object::from_gix(kind, data)))
    }
}

impl gix::objs::Find for &Packs {
    fn try_find<'a>(
        &self,
        id: &gix::hash::oid,
        buffer: &'a mut Vec<u8>,
    ) -> gix::Result<Option<gix::objs::Data<'a>>> {
        let object = self
            .read(ObjectId::from_gix(id))
            .map_err(|detail| gix::Error::from_error(io::Error::other(detail)))?;
        Ok(object.map(|object| {
            *buffer = object.data;
            gix::objs::Data {
                kind: object.kind.to_gix(),
                object_hash: HashKind::Sha1,
                data: buffer,
            }
        }))
    }
}

impl Readers {
    fn take(&self) -> Reader {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Reader {
            inflate: Inflate::default(),
            cache: MemoryCappedHashmap::new(DELTA_CACHE),
        })
    }

    fn give_back(&self, reader: Reader) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < 4 {
            idle.push(reader);
        }
    }
}

/// Reads a pack from `input`, completes it with objects of `known`, and writes it with its index into `directory`.
///
/// Returns `None` for a pack without objects. A pack that another call wrote before is opened again.
pub(crate) fn index(
    input: &mut dyn Read,
    directory: &Path,
    known: &Packs,
    most_bytes: u64,
    most_objects: u64,
) -> Result<Option<Pack>, IndexFailure> {
    let mut header = [0; 12];
    input.read_exact(&mut header).map_err(IndexFailure::Read)?;
    let count = match header {
        [b'P', b'A', b'C', b'K', _, _, _, _, a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
        _ => {
            return Err(IndexFailure::Malformed(
                "it does not start with `PACK`".to_owned(),
            ));
        }
    };
    if count > most_objects {
        return Err(IndexFailure::TooLarge {
            limit: most_objects,
            unit: "objects",
        });
    }
    if count == 0 {
        return Ok(None);
    }
    let mut rest = Capped {
        input,
        left: most_bytes,
        exceeded: false,
        failure: None,
    };
    let mut disk = None;
    let outcome = {
        let mut input = BufReader::with_capacity(64 * 1024, header.as_slice().chain(&mut rest));
        // gix holds some laws of packs by assertion, and this pack comes from a server that may be hostile.
        unpanicked(|| {
            gix_pack::Bundle::write_to_directory(
                &mut input,
                Some(directory),
                &mut gix::progress::Discard,
                &AtomicBool::new(false),
                Some(known),
                HashKind::Sha1,
                gix_pack::bundle::write::Options {
                    // A thread costs more than the few objects of an incremental fetch.
                    thread_limit: (count < 2000).then_some(1),
                    alloc_limit_bytes: Some(known.largest_object),
                    ..Default::default()
                },
            )
            .map_err(|error| {
                disk = system_error(&error);
                chain(&error)
            })
        })
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(_) if rest.exceeded => {
            return Err(IndexFailure::TooLarge {
                limit: most_bytes,
                unit: "bytes",
            });
        }
        Err(detail) => {
            return Err(match (rest.failure, disk) {
                (Some(error), _) => IndexFailure::Read(error),
                (None, Some(error)) => IndexFailure::Write(error),
                (None, None) => IndexFailure::Malformed(detail),
            });
        }
    };
    if let Some(keep) = outcome.keep_path {
        // It only protects from a `git gc` that nobody runs here.
        std::fs::remove_file(keep).map_err(IndexFailure::Write)?;
    }
    let index = outcome
        .index_path
        .ok_or_else(|| IndexFailure::Malformed("it is empty".to_owned()))?;
    Pack::open(&index).map(Some).map_err(IndexFailure::Malformed)
}

/// Turns a panic of gix into an error.
fn unpanicked<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("the object data is malformed".to_owned()))
}

/// What the system said about our files, if that is the cause. The number of a system's error does not get through all layers;
/// these kinds do, and no content of a pack leads to one.
fn system_error(error: &gix::Error) -> Option<io::Error> {
    use io::ErrorKind::{
        FileTooLarge, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    error
        .iter_errors()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .find(|cause| {
            let is_of_file = matches!(
                cause.kind(),
                FileTooLarge | NotFound | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull
            );
            is_of_file || cause.raw_os_error().is_some()
        })
        .map(|cause| io::Error::new(cause.kind(), cause.to_string()))
}

fn chain(error: &gix::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Stops after a number of bytes, and remembers why reading ended.
struct Capped<'a> {
    input: &'a mut dyn Read,
    left: u64,
    exceeded: bool,
    failure: Option<io::Error>,
}

impl Read for Capped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.exceeded = true;
            return Err(io::Error::other("too large"));
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        match self.input.read(buffer.get_mut(..room).unwrap_or_default()) {
            Ok(count) => {
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) => {
                let kind = error.kind();
                if kind != io::ErrorKind::Interrupted {
                    self.failure = Some(error);
                }
                Err(io::Error::from(kind))
            }
        }
    }
}
