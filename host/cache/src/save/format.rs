//! The bytes of a saved bucket.

use std::io::{self, Read, Write};

use super::Fault;
use crate::options::{KEY_BYTES_MAX, Kind};

pub(super) const MAGIC: &[u8; 8] = b"skepcach";
pub(super) const VERSION: u16 = 1;
const RECORD: u8 = 1;
const END: u8 = 0;

/// One entry as the file has it.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) version: u64,
    pub(super) expires_unix: u64,
    pub(super) touched_unix: u64,
}

/// Writes through to `inner` and keeps the checksum and the length.
pub(super) struct Writer<W> {
    inner: W,
    hasher: blake3::Hasher,
    pub(super) bytes: u64,
    pub(super) records: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(inner: W, kind: Kind) -> io::Result<Self> {
        let mut writer = Self { inner, hasher: blake3::Hasher::new(), bytes: 0, records: 0 };
        writer.put(MAGIC)?;
        writer.put(&VERSION.to_le_bytes())?;
        writer.put(&[kind_byte(kind)])?;
        Ok(writer)
    }

    pub(super) fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        let too_long = |_| io::Error::other("a length that the format cannot hold");
        let key_bytes = u16::try_from(record.key.len()).map_err(too_long)?;
        let value_bytes = u32::try_from(record.value.len()).map_err(too_long)?;
        self.put(&[RECORD])?;
        self.put(&key_bytes.to_le_bytes())?;
        self.put(&value_bytes.to_le_bytes())?;
        for number in [record.version, record.expires_unix, record.touched_unix] {
            self.put(&number.to_le_bytes())?;
        }
        self.put(record.key)?;
        self.put(record.value)?;
        self.records += 1;
        Ok(())
    }

    /// Ends the file and returns what was written to.
    pub(super) fn finish(mut self, next_version: u64) -> io::Result<(W, u64)> {
        self.put(&[END])?;
        self.put(&self.records.to_le_bytes())?;
        self.put(&next_version.to_le_bytes())?;
        let sum = self.hasher.finalize();
        self.put(sum.as_bytes())?;
        self.inner.flush()?;
        Ok((self.inner, self.bytes))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.inner.write_all(bytes)
    }
}

/// Why reading stopped.
pub(super) enum ReadError {
    Io(io::Error),
    Fault(Fault),
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Reads a whole file, gives each record to `each`, and returns the next version of the bucket that was saved. Whether
/// the records can be believed is known only when it returns: the checksum is at the end.
pub(super) fn read(inner: impl Read, kind: Kind, mut each: impl FnMut(Record<'_>)) -> Result<u64, ReadError> {
    let mut reader = Reader { inner, hasher: blake3::Hasher::new() };
    if reader.array::<8>()? != *MAGIC {
        return Err(Fault::Foreign.into());
    }
    let version = u16::from_le_bytes(reader.array()?);
    match version {
        VERSION => {}
        0 => return Err(Fault::Damaged.into()),
        newer => return Err(Fault::Newer(newer).into()),
    }
    let [kind_found] = reader.array()?;
    let mut records = 0_u64;
    let mut key = Vec::new();
    let mut value = Vec::new();
    loop {
        match reader.array()? {
            [RECORD] => {}
            [END] => break,
            _ => return Err(Fault::Damaged.into()),
        }
        let key_bytes = usize::from(u16::from_le_bytes(reader.array()?));
        let value_bytes = u32::from_le_bytes(reader.array()?);
        let [version, expires_unix, touched_unix] = [reader.number()?, reader.number()?, reader.number()?];
        if key_bytes > KEY_BYTES_MAX {
            return Err(Fault::Damaged.into());
        }
        reader.fill(&mut key, key_bytes as u64)?;
        reader.fill(&mut value, u64::from(value_bytes))?;
        if std::str::from_utf8(&key).is_err() {
            return Err(Fault::Damaged.into());
        }
        each(Record { key: &key, value: &value, version, expires_unix, touched_unix });
        records += 1;
    }
    let (count, next_version) = (reader.number()?, reader.number()?);
    let sum = reader.hasher.finalize();
    let stored: [u8; 32] = reader.array()?;
    let more = reader.inner.read(&mut [0]).map_err(ReadError::Io)?;
    if sum != blake3::Hash::from_bytes(stored) || count != records || more > 0 {
        return Err(Fault::Damaged.into());
    }
    // After the checksum: a damaged byte is not another kind.
    if kind_found != kind_byte(kind) {
        return Err(Fault::OtherKind.into());
    }
    Ok(next_version)
}

struct Reader<R> {
    inner: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Reader<R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).map_err(cut_short)?;
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, ReadError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads so many bytes. Memory grows with what is there, not with what a damaged length claims.
    fn fill(&mut self, into: &mut Vec<u8>, bytes: u64) -> Result<(), ReadError> {
        into.clear();
        let read = self.inner.by_ref().take(bytes).read_to_end(into).map_err(ReadError::Io)?;
        if (read as u64) < bytes {
            return Err(Fault::Truncated.into());
        }
        self.hasher.update(into);
        Ok(())
    }
}

fn cut_short(error: io::Error) -> ReadError {
    if error.kind() == io::ErrorKind::UnexpectedEof { Fault::Truncated.into() } else { ReadError::Io(error) }
}

fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::Cache => 0,
        Kind::Table => 1,
    }
}
