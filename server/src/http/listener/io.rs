//! A stream that tells its listener what goes through it, and the same for bodies.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use std::{io, mem};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::connection::Connection;
use super::table::Table;

/// Most that is thrown away of what a client sends after the last response, in bytes.
const LINGER: usize = 1 << 20;

/// What all connections of a listener share.
pub struct Shared {
    table: Mutex<Table>,
    /// Something changed that may have made a place free.
    pub changed: Notify,
}

impl Shared {
    pub fn new(table: Table) -> Self {
        Self { table: Mutex::new(table), changed: Notify::new() }
    }

    pub fn with<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        act(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection's entry in the table, which goes with the last clone.
#[derive(Clone)]
pub struct Place(Arc<Inner>);

struct Inner {
    number: u64,
    shared: Arc<Shared>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.with(|table| table.remove(self.number));
        self.shared.changed.notify_one();
    }
}

impl Place {
    pub fn new(number: u64, shared: Arc<Shared>) -> Self {
        Self(Arc::new(Inner { number, shared }))
    }

    pub fn tell<T>(&self, event: impl FnOnce(&mut Connection, Instant) -> T) -> Option<T> {
        self.0.shared.with(|table| table.tell(self.0.number, Instant::now(), event))
    }
}

/// See the module.
pub struct Stream {
    inner: TcpStream,
    place: Place,
    closing: Option<usize>,
}

impl Stream {
    pub const fn new(inner: TcpStream, place: Place) -> Self {
        Self { inner, place, closing: None }
    }

    /// What the kernel took of a response, or that it takes no more.
    fn note_write(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Ready(Ok(count)) => self.place.tell(|connection, _| connection.wrote(*count)),
            Poll::Ready(Err(_)) => None,
            Poll::Pending => self.place.tell(Connection::is_blocked),
        };
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        match &result {
            Poll::Ready(Ok(())) => {
                let count = buf.filled().len() - before;
                self.place.tell(|connection, now| connection.received(count, now));
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.place.tell(Connection::waits_for_more);
            }
        }
        result
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.note_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.note_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever flushes has written all that there was.
        self.place.tell(Connection::flushed);
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Where a client is still sending, a close at once would be a reset, which can overtake the response.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
            let has_unread = self.place.tell(|connection, now| {
                let has_unread = connection.has_unread();
                connection.closes(now);
                has_unread
            });
            self.place.0.shared.changed.notify_one();
            self.closing = Some(if has_unread == Some(true) { LINGER } else { 0 });
        }
        let mut buffer = [mem::MaybeUninit::uninit(); 2_048];
        while self.closing > Some(0) {
            let mut buffer = ReadBuf::uninit(&mut buffer);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
            let count = buffer.filled().len();
            self.closing = if count == 0 { Some(0) } else { self.closing.map(|left| left.saturating_sub(count)) };
        }
        Poll::Ready(Ok(()))
    }
}

/// A request's body.
pub struct Request<B> {
    inner: B,
    place: Place,
}

impl<B: Body> Request<B> {
    pub const fn new(inner: B, place: Place) -> Self {
        Self { inner, place }
    }
}

impl<B: Body + Unpin> Body for Request<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let result = Pin::new(&mut self.inner).poll_frame(cx);
        if result.is_pending() {
            self.place.tell(Connection::waits_for_body);
        } else if matches!(result, Poll::Ready(None)) || self.inner.is_end_stream() {
            self.place.tell(Connection::has_body);
        }
        result
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body.
pub struct Response<B> {
    inner: B,
    place: Place,
    is_counted: bool,
}

impl<B: Body> Response<B> {
    /// `is_counted`: whether its bytes are its own, and not kept in memory anyway.
    pub fn new(inner: B, place: Place, is_counted: bool) -> Self {
        place.tell(Connection::answers);
        Self { inner, place, is_counted }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Response<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let result = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &result
            && self.is_counted
            && let Some(data) = frame.data_ref()
        {
            self.place.tell(|connection, _| connection.queued(data.len()));
        }
        result
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for Response<B> {
    fn drop(&mut self) {
        self.place.tell(|connection, _| connection.answered());
    }
}
