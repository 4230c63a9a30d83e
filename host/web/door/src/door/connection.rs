//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use axum::response::IntoResponse;
use futures_util::FutureExt;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_service::Service;

use super::activity::Activity;
use super::body::{Answer, Hurried};
use super::limits::Limits;
use super::refusing::Refusals;
use super::watched::Watched;
use super::{Peer, Served, headers};
use crate::problem::Problem;

/// The least that hyper reads a head into.
const LEAST_BUFFER: usize = 8192;

pub(super) async fn serve(stream: TcpStream, peer: Peer, served: &Arc<Served>) {
    // An event is small and the next may be long in coming: it must not wait for the receipt of
    // the one before, which the other side holds back for 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "events may be late on this connection");
    }
    let limits = &served.setup.limits;
    let mut first = [0];
    let first = tokio::time::timeout(limits.first_byte, stream.peek(&mut first));
    let first = tokio::select! {
        first = first => first,
        () = served.stopped() => return,
    };
    if !matches!(first, Ok(Ok(1..))) {
        return;
    }
    let Some(tls) = &served.setup.tls else {
        return http1(stream, peer, served).await;
    };
    match tokio::time::timeout(limits.head, tls.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            http2(stream, peer, served).await
        }
        Ok(Ok(stream)) => http1(stream, peer, served).await,
        Ok(Err(error)) => tracing::debug!(%error, "a handshake of TLS failed"),
        Err(_) => {}
    }
}

async fn http1(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: Peer, served: &Arc<Served>) {
    let limits = &served.setup.limits;
    let activity = Activity::new(limits.head, limits.idle);
    let refusals = Refusals::new(limits, served.setup.tls.is_some());
    let io = TokioIo::new(Watched::new(io, Arc::clone(&activity), refusals));
    let (answered, by) = (Arc::clone(&activity), Arc::clone(served));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let answering = answered.request();
        let by = Arc::clone(&by);
        async move { Ok::<_, Infallible>(answer(request, answering, &by).await) }.boxed()
    });
    let mut connection = http1::Builder::new()
        // Ours distinguishes what is waited for.
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_header_size(limits.head_size)
        .max_buf_size(limits.head_size.max(LEAST_BUFFER))
        .serve_connection(io, service);
    let stopped = served.stopped();
    tokio::pin!(stopped);
    let mut is_stopping = false;
    let outcome = loop {
        tokio::select! {
            outcome = std::future::poll_fn(|context| connection.poll_without_shutdown(context)) => break outcome,
            () = activity.late() => return,
            () = &mut stopped, if !is_stopping => {
                if !activity.is_answering() {
                    return;
                }
                is_stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended with an error");
    }
    linger(connection.into_parts().io.into_inner().io, limits).await;
}

/// Reads on for a while behind the last answer. A connection that is closed while something is
/// unread is reset, and what was sent on it may be lost before it is read.
async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin, limits: &Limits) {
    let drained = async {
        io.shutdown().await?;
        let mut io = io.take(limits.drain as u64);
        tokio::io::copy(&mut io, &mut tokio::io::sink()).await
    };
    // Whether the other side took its time or is gone: it had its chance.
    let _ = tokio::time::timeout(limits.drain_time, drained).await;
}

async fn http2(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: Peer, served: &Arc<Served>) {
    let limits = &served.setup.limits;
    let activity = Activity::new(limits.head, limits.idle);
    let (answered, by) = (Arc::clone(&activity), Arc::clone(served));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let answering = answered.request();
        let by = Arc::clone(&by);
        async move { Ok::<_, Infallible>(answer(request, answering, &by).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(limits.resets)
        .max_local_error_reset_streams(limits.resets)
        .max_header_list_size(u32::try_from(limits.head_size).unwrap_or(u32::MAX))
        // A client that is gone without a word is noticed although a stream of events is open.
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.head)
        .serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    let stopped = served.stopped();
    tokio::pin!(stopped);
    let mut is_ending = false;
    loop {
        tokio::select! {
            outcome = &mut connection => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection ended with an error");
                }
                return;
            }
            () = activity.late() => return,
            () = &mut stopped, if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// The answer to one request, and nothing of what may go wrong with it leaves here.
async fn answer(
    request: Request<Incoming>,
    answering: super::activity::Answering,
    served: &Served,
) -> Response<Answer> {
    let has_encoding = request.headers().contains_key(header::TRANSFER_ENCODING);
    let version = request.version();
    let mut response = match refusal(&request, served) {
        Some(problem) => problem.into_response(),
        None => route(request, served).await,
    };
    headers::secure(&mut response, served.setup.tls.is_some());
    if has_encoding && version == Version::HTTP_11 {
        // A length beside the encoding is left out before we see the request. Whoever else read
        // the length has another idea of where the next request begins: there is none.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let ended = headers::is_event_stream(&response).then(|| served.stopped().boxed());
    response.map(|body| Answer { body, ended, _answering: answering })
}

async fn route(request: Request<Incoming>, served: &Served) -> Response<Body> {
    let limits = &served.setup.limits;
    let request =
        request.map(|body| Body::new(Hurried::new(Limited::new(body, limits.largest_body), limits)));
    let mut router = served.router.clone();
    // On a task of its own: what a request began is carried to its end, also when whoever sent it hangs
    // up meanwhile, so that everybody else hears of what it has changed.
    match tokio::spawn(async move { router.call(request).await }).await {
        Ok(Ok(response)) => response,
        Err(_) => {
            tracing::error!("a handler panicked; its request is answered with 500");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
                .detail("The request could not be served. The host's log says why.")
                .into_response()
        }
    }
}

/// What speaks against a request before its route is looked for.
fn refusal(request: &Request<Incoming>, served: &Served) -> Option<Problem> {
    const METHODS: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if !METHODS.contains(request.method()) {
        return Some(Problem::new(StatusCode::NOT_IMPLEMENTED).detail("No path answers this method."));
    }
    let limits = &served.setup.limits;
    if request.body().size_hint().lower() > limits.largest_body as u64 {
        return Some(
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail("The body is larger than any path takes."),
        );
    }
    headers::misdirected(request, &served.setup.hosts)
}
