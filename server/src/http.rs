//! The paths: the call page, the WebSocket and its SockJS relatives, health, ICE servers.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST,
    ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialtone_wire::stomp::Version;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::counted::Counted;
use crate::framing::Framing;
use crate::hub::Hub;
use crate::page;
use crate::session::Settings;
use crate::socket::{self, Link};

const WELCOME: &str = "Welcome to SockJS!\n";
const FRONT: &str = "This is a Dialtone signaling server. Connect with STOMP over WebSocket, or with SockJS, at /ws\n";
const HEALTH: &str = r#"{"status":"UP"}"#;

/// What every request may need.
#[derive(Debug)]
pub(crate) struct App {
    /// The configuration and what was made of it.
    pub(crate) settings: Arc<Settings>,
    /// Where sessions meet.
    pub(crate) hub: Arc<Hub>,
    /// Every connection keeps a copy; when all are gone, so are the connections.
    pub(crate) alive: mpsc::Sender<Infallible>,
}

/// The router of a server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let front = if app.settings.config.page { page::routes() } else { Router::new().route("/", get(FRONT)) };
    front
        .route("/ws", get(ws))
        .route("/ws/", get(WELCOME))
        .route("/ws/info", get(info))
        .route("/ws/websocket", get(raw))
        .route("/ws/{server}/{session}/websocket", get(sock_js))
        .route("/actuator/health", get(([(CONTENT_TYPE, "application/json")], HEALTH)))
        .route("/ice-servers", get(ice_servers))
        .with_state(app)
}

fn ws(State(app): State<Arc<App>>, request: Request) -> Ready<Response> {
    ready(if request.headers().contains_key(UPGRADE) {
        upgrade(&app, request, Framing::Raw)
    } else {
        WELCOME.into_response()
    })
}

fn raw(State(app): State<Arc<App>>, request: Request) -> Ready<Response> {
    ready(upgrade(&app, request, Framing::Raw))
}

fn sock_js(State(app): State<Arc<App>>, request: Request) -> Ready<Response> {
    ready(upgrade(&app, request, Framing::SockJs))
}

fn info(State(app): State<Arc<App>>, headers: HeaderMap) -> Ready<Response> {
    // SockJS clients mix the number into what they roll themselves.
    let entropy = RandomState::new().hash_one(WELCOME) as u32;
    let info = json!({ "entropy": entropy, "origins": ["*:*"], "cookie_needed": false, "websocket": true });
    ready(shared(&app, &headers, info))
}

fn ice_servers(State(app): State<Arc<App>>, headers: HeaderMap) -> Ready<Response> {
    // A name of its own for each login: the relay counts allocations by name.
    let name = format!("http-{:08x}", RandomState::new().hash_one(WELCOME) as u32);
    let servers = app.settings.ice.servers(&name, socket::now().unix).unwrap_or_default();
    ready(shared(&app, &headers, json!({ "iceServers": servers })))
}

/// JSON for pages of the allowed origins, other than our own too (CORS).
fn shared(app: &App, headers: &HeaderMap, body: serde_json::Value) -> Response {
    if !allowed(app, headers) {
        return forbidden(headers);
    }
    let mut response = Json(body).into_response();
    let out = response.headers_mut();
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache, must-revalidate, max-age=0"));
    out.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = headers.get(ORIGIN) {
        out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        out.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    response
}

/// The WebSocket handshake (RFC 6455 section 4.2), with the status codes of Spring.
fn upgrade(app: &App, mut request: Request, framing: Framing) -> Response {
    let headers = request.headers();
    if !allowed(app, headers) {
        return forbidden(headers);
    }
    let accept = match accept_key(headers) {
        Ok(accept) => accept,
        Err((status, why)) => {
            return (status, [(SEC_WEBSOCKET_VERSION, "13")], why).into_response();
        }
    };
    let protocol = sub_protocol(headers);
    let Ok(conn) = app.hub.connect() else {
        tracing::warn!("a connection was refused: there are as many as allowed, or the server is stopping");
        return (StatusCode::SERVICE_UNAVAILABLE, "The server takes no more connections at the moment.")
            .into_response();
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let (settings, hub, alive) = (Arc::clone(&app.settings), Arc::clone(&app.hub), app.alive.clone());
    tokio::spawn(async move {
        let message = settings.config.limits.message;
        match upgraded.await {
            Ok(upgraded) => {
                let config = websocket_config(message);
                let io = Counted::new(TokioIo::new(upgraded));
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                Link::new(socket, framing, settings, hub, conn).run().await;
            }
            Err(error) => {
                tracing::debug!(%error, "the upgrade was not finished");
                hub.abandon(&conn);
            }
        }
        drop(alive);
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let out = response.headers_mut();
    out.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    out.insert(UPGRADE, HeaderValue::from_static("websocket"));
    out.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        out.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    response
}

/// Small buffers: most connections are idle most of the time. What is written is gathered until the flush.
fn websocket_config(message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(16 * 1024)
        .max_message_size(Some(message))
        .max_frame_size(Some(message))
}

fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, (StatusCode, &'static str)> {
    if !lists(headers, UPGRADE, "websocket") {
        return Err((StatusCode::BAD_REQUEST, "Can \"Upgrade\" only to \"WebSocket\"."));
    }
    if !lists(headers, CONNECTION, "upgrade") {
        return Err((StatusCode::BAD_REQUEST, "\"Connection\" must be \"upgrade\"."));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "The WebSocket version must be 13."));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
        let bad = |_| (StatusCode::BAD_REQUEST, "The Sec-WebSocket-Key cannot be answered.");
        HeaderValue::try_from(derive_accept_key(key)).map_err(bad)
    } else {
        Err((StatusCode::BAD_REQUEST, "\"Sec-WebSocket-Key\" must be 16 bytes in base64."))
    }
}

/// The client's first sub-protocol that is spoken here.
fn sub_protocol(headers: &HeaderMap) -> Option<&'static str> {
    let names = Version::ALL.map(Version::subprotocol);
    items(headers, SEC_WEBSOCKET_PROTOCOL).find_map(|offered| names.into_iter().find(|name| *name == offered))
}

fn allowed(app: &App, headers: &HeaderMap) -> bool {
    // An Origin that is not text is not on any list; it must not pass as an absent one.
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("null"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    app.settings.config.origins.allow(origin, host)
}

fn forbidden(headers: &HeaderMap) -> Response {
    tracing::debug!(origin = ?headers.get(ORIGIN), "origin refused");
    (StatusCode::FORBIDDEN, "This origin may not connect; the server allows origins with --origin.\n").into_response()
}

fn lists(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(wanted))
}

/// The items of a comma-separated header, over all its lines.
fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_clients_first_supported_sub_protocol_is_chosen() {
        let offer = |value| sub_protocol(&headers(&[(SEC_WEBSOCKET_PROTOCOL, value)]));
        assert_eq!(offer("v10.stomp, v11.stomp, v12.stomp"), Some("v10.stomp"));
        assert_eq!(offer("mqtt,v12.stomp,v10.stomp"), Some("v12.stomp"));
        assert_eq!(offer("mqtt"), None);
        assert_eq!(sub_protocol(&HeaderMap::new()), None);
    }

    #[test]
    fn a_handshake_is_answered_with_the_key_of_the_rfc_and_a_bad_one_with_springs_codes() {
        let good = [
            (UPGRADE, "websocket"),
            (CONNECTION, "keep-alive, Upgrade"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert_eq!(accept_key(&headers(&good)).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for (at, bad, status) in [(0, "h2c", 400), (1, "close", 400), (2, "8", 426), (3, "short", 400)] {
            let mut pairs = good.clone();
            pairs[at].1 = bad;
            assert_eq!(accept_key(&headers(&pairs)).unwrap_err().0.as_u16(), status, "{bad}");
        }
    }
}
