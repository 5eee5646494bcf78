//! The JSON of a page, built row by row, within the memory for the pages of all requests.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::{self, Write as _},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    http::header::ContentType,
    web::{Bytes, BytesMut},
};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{Error, Result};

/// Pages of up to this size do not count towards the memory of all pages, so that stalled readers of large
/// pages never stop the usual ones. The limit on connections bounds their number.
const SMALL: usize = 128 << 10;

/// The memory of all larger pages that are read or sent at the same time, in bytes.
const MEMORY: u64 = 64 << 20;

/// Memory is reserved in blocks of this size.
const BLOCK: usize = 64 << 10;

/// The memory for the pages of all requests of the process. Clones share it.
#[derive(Clone, Debug)]
pub struct PageMemory {
    free: Arc<Semaphore>,
    blocks: usize,
}

/// Memory of one page, in blocks.
#[derive(Debug, Default)]
pub struct ReservedMemory(Option<OwnedSemaphorePermit>);

impl PageMemory {
    /// Enough for two pages of `max_page_bytes`, and for at least 64 MiB.
    pub fn new(max_page_bytes: Option<u64>) -> Self {
        let bytes = max_page_bytes.unwrap_or(0).saturating_mul(2).max(MEMORY);
        // A permit counts its blocks in 32 bits.
        let max = Semaphore::MAX_PERMITS.min(usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        let blocks = usize::try_from(bytes).unwrap_or(usize::MAX).div_ceil(BLOCK).min(max);
        Self { free: Arc::new(Semaphore::new(blocks)), blocks }
    }

    /// Reserves the memory for a body of `bytes`, until the result is dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] if pages and other bodies occupy it.
    pub fn reserve(&self, bytes: usize) -> Result<ReservedMemory> {
        let mut reserved = ReservedMemory::default();
        self.extend(&mut reserved, bytes)?;
        Ok(reserved)
    }

    /// Reserves memory until `reserved` is enough for a page of `bytes`. A page of more than all memory needs
    /// all of it.
    fn extend(&self, reserved: &mut ReservedMemory, bytes: usize) -> Result<()> {
        let needed = bytes.saturating_sub(SMALL).div_ceil(BLOCK).min(self.blocks);
        let held = reserved.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(missing) = needed.checked_sub(held).filter(|missing| *missing > 0) else { return Ok(()) };
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.free).try_acquire_many_owned(missing).map_err(|_| Error::Busy)?;
        match &mut reserved.0 {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

/// A JSON array that grows by one row at a time.
#[derive(Debug)]
pub struct PageJson {
    memory: PageMemory,
    reserved: ReservedMemory,
    /// Each row begins with a byte for the punctuation in front of it.
    rows: Vec<Vec<u8>>,
    bytes: usize,
    /// The bytes that the page needs besides its rows.
    held: usize,
}

impl PageJson {
    /// An empty array.
    pub fn new(memory: PageMemory) -> Self {
        Self { memory, reserved: ReservedMemory::default(), rows: Vec::new(), bytes: 1, held: 0 }
    }

    /// The number of its rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The size of its JSON.
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    /// Reserves the memory for a page of `bytes` in advance.
    ///
    /// # Errors
    /// [`Error::Busy`] if other pages occupy the memory.
    pub fn reserve(&mut self, bytes: u64) -> Result<()> {
        self.memory.extend(&mut self.reserved, usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Adds a row, whose JSON is expected to have `usual` bytes.
    ///
    /// # Errors
    /// [`Error::Busy`] if other pages occupy the memory: as a rule, before the row is written.
    pub fn push(&mut self, row: &impl Serialize, usual: usize) -> Result<()> {
        let expected = self.bytes.saturating_add(self.held).saturating_add(usual);
        self.memory.extend(&mut self.reserved, expected)?;
        let mut json = Vec::with_capacity(usual);
        json.push(b',');
        serde_json::to_writer(&mut json, row).map_err(unwritten)?;
        self.count(json.len())?;
        self.rows.push(fitted(json));
        Ok(())
    }

    /// Reverses the order of the rows.
    pub fn reverse(&mut self) {
        self.rows.reverse();
    }

    /// Adds a last member to the object of each row that has a value.
    ///
    /// # Errors
    /// [`Error::Busy`] if other pages occupy the memory.
    pub fn add_member<T: Serialize>(
        &mut self,
        name: &str,
        values: impl Iterator<Item = Option<T>>,
    ) -> Result<()> {
        let mut rows = mem::take(&mut self.rows);
        for (row, value) in rows.iter_mut().zip(values) {
            let Some(value) = value else { continue };
            let before = row.len();
            if row.pop_if(|last| *last == b'}').is_some() {
                write!(row, ",\"{name}\":").map_err(unwritten)?;
                serde_json::to_writer(&mut *row, &value).map_err(unwritten)?;
                row.push(b'}');
                self.count(row.len().saturating_sub(before))?;
            }
        }
        self.rows = rows;
        Ok(())
    }

    /// Reserves the memory for further bytes that the page needs until it has been sent, besides its rows.
    ///
    /// # Errors
    /// [`Error::Busy`] if other pages occupy the memory.
    pub fn hold(&mut self, bytes: usize) -> Result<()> {
        self.held = self.held.saturating_add(bytes);
        self.count(0)
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.memory.extend(&mut self.reserved, self.bytes.saturating_add(self.held))
    }

    /// Completes a response with this body. Its memory stays reserved until it has been sent.
    pub fn respond(mut self, response: &mut HttpResponseBuilder) -> HttpResponse {
        response.insert_header(ContentType::json());
        match self.rows.first_mut().and_then(|row| row.first_mut()) {
            Some(punctuation) => *punctuation = b'[',
            None => return response.body("[]"),
        }
        // Of the last row and of the array.
        let length = self.bytes;
        if length <= SMALL {
            let mut body = BytesMut::with_capacity(length);
            self.rows.iter().for_each(|row| body.extend_from_slice(row));
            body.extend_from_slice(b"]");
            return response.body(body.freeze());
        }
        response.extensions_mut().insert(mem::take(&mut self.reserved));
        let parts = self.rows.into_iter().map(Bytes::from).chain([Bytes::from_static(b"]")]);
        response.body(Parts { length, parts: parts.collect() })
    }
}

/// The text without the unused memory of its buffer, if that is much.
fn fitted(mut json: Vec<u8>) -> Vec<u8> {
    if json.capacity().saturating_sub(json.len()) > json.len().div_euclid(8).max(256) {
        json.shrink_to_fit();
    }
    json
}

fn unwritten(error: impl Into<io::Error>) -> Error {
    Error::internal("write a page", error.into())
}

/// A body whose parts are freed as they are sent.
struct Parts {
    length: usize,
    parts: VecDeque<Bytes>,
}

impl MessageBody for Parts {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length.try_into().unwrap_or(u64::MAX))
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.get_mut().parts.pop_front().map(Ok))
    }

    /// For the cache, which stores only small ones.
    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let mut body = BytesMut::with_capacity(self.length);
        self.parts.iter().for_each(|part| body.extend_from_slice(part));
        Ok(body.freeze())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use serde_json::{Value, json};

    use super::*;

    fn filled(rows: &[Value]) -> PageJson {
        let mut page = PageJson::new(PageMemory::new(None));
        for row in rows {
            page.push(row, 10).unwrap();
        }
        page
    }

    async fn sent(page: PageJson) -> Value {
        let response = page.respond(&mut HttpResponse::Ok());
        let BodySize::Sized(size) = response.body().size() else { panic!("no size") };
        let body = to_bytes(response.into_body()).await.unwrap();
        assert_eq!(u64::try_from(body.len()).unwrap(), size);
        serde_json::from_slice(&body).unwrap()
    }

    #[actix_web::test]
    async fn a_page_is_an_array_of_its_rows_whatever_its_size() {
        for bytes in [0, 100, SMALL, 5 * SMALL] {
            for rows in 0..4 {
                let rows: Vec<Value> =
                    (0..rows).map(|id| json!({ "id": id, "text": "\n\"é".repeat(bytes) })).collect();
                let mut page = filled(&rows);
                assert_eq!((page.len(), page.is_empty()), (rows.len(), rows.is_empty()));
                page.reverse();
                let reversed: Vec<Value> = rows.into_iter().rev().collect();
                assert_eq!(sent(page).await, Value::Array(reversed));
            }
        }
    }

    #[actix_web::test]
    async fn a_member_is_added_to_the_rows_that_have_a_value() {
        let mut page = filled(&[json!({ "a": 1 }), json!({ "a": 2 }), json!({ "a": 3 })]);
        page.add_member("b", [Some("x"), None, Some("}")].into_iter()).unwrap();
        assert_eq!(sent(page).await, json!([{ "a": 1, "b": "x" }, { "a": 2 }, { "a": 3, "b": "}" }]));
    }

    #[test]
    fn large_pages_are_refused_while_others_occupy_the_memory_and_small_ones_are_not() {
        let memory = PageMemory::new(None);
        let total = usize::try_from(MEMORY).unwrap();
        let mut first = ReservedMemory::default();
        memory.extend(&mut first, total / 2).unwrap();
        let mut second = ReservedMemory::default();
        assert!(matches!(memory.extend(&mut second, total), Err(Error::Busy)));
        memory.extend(&mut second, total / 4).unwrap();
        assert!(matches!(memory.extend(&mut first, total), Err(Error::Busy)));
        let mut small = ReservedMemory::default();
        memory.extend(&mut small, SMALL).unwrap();
        assert!(small.0.is_none());
        drop(second);
        // A page of more than all memory is served alone.
        memory.extend(&mut first, total * 3).unwrap();
        memory.extend(&mut first, total * 5).unwrap();
        assert!(matches!(memory.extend(&mut small, SMALL + 1), Err(Error::Busy)));
        drop(first);
        memory.extend(&mut small, total).unwrap();
    }
}
