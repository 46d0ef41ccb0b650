//! Accepts a bounded number of connections, each with time limits, and all together with a memory limit. If places or
//! memory run out, the least important connection is closed and the new one is served.

mod connection;
mod framing;
mod io;
pub mod room;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::auth::network;
use crate::auth::proxies::TrustedProxies;
use connection::{Connection, HEAD_BYTES};
use io::{Place, Shared, Stream};
use room::Room;
use table::{Cuts, Table};

/// How long requests in flight may take once the listener is closed.
const FINISH: Duration = Duration::from_secs(15);
/// How often connections are checked for expired time limits.
const SWEEP: Duration = Duration::from_millis(500);
/// The shortest time between two log lines about connections that were closed for others.
const REPORT: Duration = Duration::from_secs(10);
/// The kernel's buffer for each direction of a connection, in bytes; the kernel allocates twice as much.
const KERNEL_BUFFER: u32 = 16 << 10;
/// The connections that the kernel queues until they are accepted.
const BACKLOG: u32 = 1_024;

/// Marks responses whose bytes are shared in memory, however many clients don't read them.
#[derive(Clone, Copy)]
pub struct Kept;

/// The address at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Marks requests whose head had both Content-Length and Transfer-Encoding.
#[derive(Clone, Copy)]
pub struct HasTwoLengths;

/// # Errors
/// If the server cannot listen on the address.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit them.
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Like [`serve`], for port 8001, which has its own places.
pub async fn serve_ops(listener: TcpListener, router: Router, stop: CancellationToken) {
    serve(listener, router, Room::ops(), TrustedProxies::Direct, stop).await;
}

/// Serves until `stop`, then lets requests in flight finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    room: Room,
    proxies: TrustedProxies,
    stop: CancellationToken,
) {
    let shared = Arc::new(Shared::new(Table::new(room)));
    let tasks = TaskTracker::new();
    let sweeper = tokio::spawn(sweep(Arc::clone(&shared)));
    tokio::select! {
        () = stop.cancelled() => {}
        () = accept(&listener, &router, &proxies, &shared, &tasks, &stop) => {}
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(FINISH, tasks.wait()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
        shared.with(Table::cut_all);
    }
    sweeper.abort();
}

/// Accepts connections until it is dropped.
async fn accept(
    listener: &TcpListener,
    router: &Router,
    proxies: &TrustedProxies,
    shared: &Arc<Shared>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                // Most likely out of file descriptors: give other connections time to end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        let address = peer.ip().to_canonical();
        let connection = Connection::new(network::of(address), proxies.is_proxy(address), Instant::now());
        let cut = connection.cut.clone();
        let place = place(connection, shared).await;
        tasks.spawn(serve_connection(stream, place, peer.ip(), router.clone(), cut, stop.clone()));
    }
}

/// A place for a new connection. Waits while each of the others has a request in progress.
async fn place(connection: Connection, shared: &Arc<Shared>) -> Place {
    let mut connection = Box::new(connection);
    loop {
        if shared.with(|table| table.is_full()) {
            // Let the other tasks read first, so that no connection counts as idle whose request has arrived.
            tokio::task::yield_now().await;
        }
        match shared.with(|table| table.admit(*connection, Instant::now())) {
            Ok(number) => return Place::new(number, Arc::clone(shared)),
            Err(refused) => connection = refused,
        }
        // A connection that ends notifies; one that becomes stuck does not.
        let _ = tokio::time::timeout(Duration::from_millis(50), shared.changed.notified()).await;
    }
}

/// Serves one connection to its end.
async fn serve_connection(
    stream: TcpStream,
    place: Place,
    peer: IpAddr,
    router: Router,
    cut: CancellationToken,
    stop: CancellationToken,
) {
    let tracked = place.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let place = tracked.clone();
        let has_two_lengths = place.update(|connection, now| {
            connection.begin(size(&request), request.body().is_end_stream(), now);
            connection.has_two_lengths()
        });
        let mut request = request.map(|body| Body::new(io::Request::new(body, place.clone())));
        request.extensions_mut().insert(Peer(peer));
        if has_two_lengths == Some(true) {
            request.extensions_mut().insert(HasTwoLengths);
        }
        let answer = router.clone().call(request);
        async move {
            let response = answer.await?;
            let is_counted = response.extensions().get::<Kept>().is_none();
            Ok::<_, std::convert::Infallible>(response.map(|body| io::Response::new(body, place, is_counted)))
        }
    });
    // The listener enforces time limits itself, since they depend on the free places.
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Stream::new(stream, place)), service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = cut.cancelled() => return,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                result = served => result,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection failed");
    }
}

/// The approximate size of a request's head, in bytes.
fn size<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let target = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    request.method().as_str().len() + target + "  HTTP/1.1\r\n\r\n".len() + headers.sum::<usize>()
}

/// Closes connections whose time limit has expired, until it is dropped.
async fn sweep(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(SWEEP);
    let mut reported: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let now = Instant::now();
        for (peer, why) in shared.with(|table| table.sweep(now)) {
            tracing::debug!(%peer, why, "closed a connection");
        }
        if reported.is_some_and(|reported| now.saturating_duration_since(reported) < REPORT) {
            continue;
        }
        let cuts = shared.with(Table::take_cuts);
        if cuts != Cuts::default() {
            reported = Some(now);
            tracing::warn!(
                for_places = cuts.for_places,
                for_memory = cuts.for_bytes,
                "closed connections to make room for others"
            );
        }
    }
}
