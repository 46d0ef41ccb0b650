//! A stream, and bodies, that report their progress to the listener.

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

/// The most bytes to discard of what a client sends after the last response.
const LINGER: usize = 1 << 20;

/// The state that all connections of a listener share.
pub struct Shared {
    table: Mutex<Table>,
    /// Notified when a place may have become free.
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

/// A connection's entry in the table. The last clone removes it.
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

    pub fn update<T>(&self, event: impl FnOnce(&mut Connection, Instant) -> T) -> Option<T> {
        self.0.shared.with(|table| table.update(self.0.number, Instant::now(), event))
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

    /// Records how much of a response the kernel has accepted, or that it accepts no more.
    fn record_write(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Ready(Ok(count)) => self.place.update(|connection, _| connection.wrote(*count)),
            Poll::Ready(Err(_)) => None,
            Poll::Pending => self.place.update(Connection::is_blocked),
        };
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        match &result {
            Poll::Ready(Ok(())) => {
                let bytes = &buf.filled()[before..];
                self.place.update(|connection, now| {
                    connection.received(bytes.len(), now);
                    connection.read(bytes);
                });
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.place.update(Connection::waits_for_more);
            }
        }
        result
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.record_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.record_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes only once it has written everything.
        self.place.update(Connection::flushed);
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Discards input for a while: closing the socket of a client that is still sending would reset the connection, and
    /// the reset could overtake the response.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
            let has_unread = self.place.update(|connection, now| {
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
            self.place.update(Connection::waits_for_body);
        } else if matches!(result, Poll::Ready(None)) || self.inner.is_end_stream() {
            self.place.update(Connection::has_body);
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
    /// `is_counted`: whether its bytes take memory of their own.
    pub fn new(inner: B, place: Place, is_counted: bool) -> Self {
        place.update(Connection::answers);
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
            self.place.update(|connection, _| connection.queued(data.len()));
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
        self.place.update(|connection, _| connection.answered());
    }
}
