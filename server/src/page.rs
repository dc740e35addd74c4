//! The call page: its files, carried in the program, and the headers that keep it to itself.
//!
//! `/` and `/r/{room}` are the same document, `/assets/…` what it loads. Nothing comes from another host.

use std::fmt::Write as _;
use std::future::{Ready, ready};

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ring::digest::{SHA256, digest};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

const DOCUMENT: File = File { name: "index.html", kind: HTML, text: include_str!("page/index.html") };

/// What the document loads, by its name below `/assets/`.
const ASSETS: [File; 25] = [
    File { name: "style.css", kind: STYLE, text: include_str!("page/style.css") },
    File { name: "call.css", kind: STYLE, text: include_str!("page/call.css") },
    File { name: "icon.svg", kind: IMAGE, text: include_str!("page/icon.svg") },
    script("main.js", include_str!("page/main.js")),
    script("orders.js", include_str!("page/orders.js")),
    script("ui.js", include_str!("page/ui.js")),
    script("i18n.js", include_str!("page/i18n.js")),
    script("en.js", include_str!("page/en.js")),
    script("ko.js", include_str!("page/ko.js")),
    script("room.js", include_str!("page/room.js")),
    script("media.js", include_str!("page/media.js")),
    script("signaling.js", include_str!("page/signaling.js")),
    script("stomp.js", include_str!("page/stomp.js")),
    script("call.js", include_str!("page/call.js")),
    script("negotiation.js", include_str!("page/negotiation.js")),
    script("timers.js", include_str!("page/timers.js")),
    script("link.js", include_str!("page/link.js")),
    script("far.js", include_str!("page/far.js")),
    script("awake.js", include_str!("page/awake.js")),
    script("quality.js", include_str!("page/quality.js")),
    script("judge.js", include_str!("page/judge.js")),
    script("stamp.js", include_str!("page/stamp.js")),
    script("pattern.js", include_str!("page/pattern.js")),
    script("paint.js", include_str!("page/paint.js")),
    script("tick.js", include_str!("page/tick.js")),
];

/// `'self'` covers the WebSocket too, which is on the same host and port (Content Security Policy 3, section 6.7.2.8).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What the page may ask of the browser, and what nobody may.
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), \
                           autoplay=(self), geolocation=(), usb=(), serial=(), payment=()";

/// One file of the page.
#[derive(Debug, Clone, Copy)]
struct File {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const fn script(name: &'static str, text: &'static str) -> File {
    File { name, kind: SCRIPT, text }
}

/// The paths of the page.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(document)).route("/r/{room}", get(document)).route("/assets/{name}", get(asset))
}

/// The page itself judges the room's name: a person is told on it what is wrong with one.
fn document(headers: HeaderMap) -> Ready<Response> {
    ready(DOCUMENT.answer(&headers))
}

fn asset(Path(name): Path<String>, headers: HeaderMap) -> Ready<Response> {
    let file = ASSETS.iter().find(|file| file.name == name);
    ready(file.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| file.answer(&headers)))
}

impl File {
    /// The file, or 304 when the browser has this very one.
    fn answer(self, asked: &HeaderMap) -> Response {
        let tag = self.tag();
        let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
        let is_known = known.flat_map(|line| line.split(',')).any(|item| item.trim().trim_start_matches("W/") == tag);
        let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { self.text.into_response() };
        let out = response.headers_mut();
        if is_known {
            out.remove(CONTENT_TYPE);
        } else {
            out.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        }
        // Quotes and hexadecimal digits are a header value; without a tag every request gets the whole file.
        if let Ok(tag) = HeaderValue::try_from(tag) {
            out.insert(ETAG, tag);
        }
        // Kept, and asked about each time: a new server never meets an old script.
        out.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        for (name, value) in [
            (CONTENT_SECURITY_POLICY, POLICY),
            (HeaderName::from_static("permissions-policy"), PERMISSIONS),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // A room's name is all it takes to join.
            (REFERRER_POLICY, "no-referrer"),
        ] {
            out.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// The first half of the file's SHA-256, in quotes (RFC 9110 section 8.8.3).
    fn tag(self) -> String {
        let hash = digest(&SHA256, self.text.as_bytes());
        let mut tag = String::from("\"");
        for byte in hash.as_ref().iter().take(16) {
            // Writing to a string does not fail.
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    async fn get_asset(name: &str) -> Response {
        asset(Path(name.to_owned()), HeaderMap::new()).await
    }

    /// Everything below `/assets/` that a text names.
    fn named(text: &str) -> Vec<String> {
        let end = |rest: &str| rest.find(['"', '\'', '`', ')', '#']).map(|end| rest[..end].to_owned());
        let absolute = text.split("/assets/").skip(1).filter_map(end);
        let relative = text.split("\"./").skip(1).filter_map(end);
        absolute.chain(relative).collect()
    }

    #[tokio::test]
    async fn every_file_comes_with_its_type_and_the_strict_headers() {
        let mut answers = vec![document(HeaderMap::new()).await];
        for file in ASSETS.iter() {
            answers.push(get_asset(file.name).await);
        }
        for (answer, file) in answers.iter().zip([&DOCUMENT].into_iter().chain(&ASSETS)) {
            assert_eq!(answer.status(), StatusCode::OK, "{}", file.name);
            assert_eq!(header(answer, "content-type"), file.kind, "{}", file.name);
            assert_eq!(header(answer, "x-content-type-options"), "nosniff");
            assert_eq!(header(answer, "referrer-policy"), "no-referrer");
            assert_eq!(header(answer, "cache-control"), "no-cache");
            assert!(header(answer, "content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
            assert!(header(answer, "permissions-policy").contains("microphone=(self)"));
        }
        assert_eq!(get_asset("nothing.js").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(get_asset("../page.rs").await.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_file_that_the_browser_has_is_not_sent_again() {
        let tag = header(&get_asset("main.js").await, "etag").to_owned();
        for (sent, status) in [
            (tag.clone(), StatusCode::NOT_MODIFIED),
            (format!("\"other\", W/{tag}"), StatusCode::NOT_MODIFIED),
            ("\"other\"".to_owned(), StatusCode::OK),
        ] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::try_from(sent.as_str()).unwrap())]);
            let answer = asset(Path("main.js".to_owned()), headers).await;
            assert_eq!(answer.status(), status, "{sent}");
            assert_eq!(header(&answer, "etag"), tag);
        }
        assert_ne!(tag, header(&get_asset("ui.js").await, "etag"));
    }

    #[test]
    fn what_a_file_names_is_there() {
        for file in [DOCUMENT].iter().chain(&ASSETS) {
            for name in named(file.text) {
                assert!(ASSETS.iter().any(|asset| asset.name == name), "{} names {name}", file.name);
            }
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        let document = DOCUMENT.text;
        assert!(!document.contains("<style") && !document.contains(" style=") && !document.contains("javascript:"));
        assert!(document.matches("<script").count() == document.matches("<script type=\"module\" src=").count());
        for handler in [" onclick=", " onload=", " onerror=", " onsubmit=", " oninput="] {
            assert!(!document.contains(handler), "{handler}");
        }
        for file in [DOCUMENT].iter().chain(&ASSETS) {
            for address in
                file.text.split("http").skip(1).filter(|rest| rest.starts_with("://") || rest.starts_with("s://"))
            {
                let known = ["://www.w3.org/2000/svg", "s://stomp.github.io/"];
                assert!(known.iter().any(|known| address.starts_with(known)), "{}: http{address:.40}", file.name);
            }
        }
    }

    #[test]
    fn the_stomp_client_stays_small() {
        let stomp = ASSETS.iter().find(|file| file.name == "stomp.js").unwrap();
        assert!(stomp.text.lines().count() <= 200);
    }
}
