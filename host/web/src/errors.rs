//! Error answers. A client gets a stable code, a sentence and the request's id, and no detail of host or guest; in
//! development, a browser gets a page that names the limit and shows the guest's stack.

use std::fmt::Write as _;

use axum::body::Body;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use skep_types::{Call, Failure, PluginName, RequestId};

use crate::routes::Pattern;

/// Routes that the page of a path without one lists.
const ROUTES_MAX: usize = 100;
/// The end of a page that clients in production never see.
const ONLY_HERE: &str =
    "<p>This page is shown by <code>skep up</code>; <code>skep serve</code> tells clients only the code.</p></main>";

/// How much an error answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// Code, sentence and request id.
    Production,
    /// The same with everything the host knows, as a page for browsers.
    Development,
}

/// What an error answer needs to know of its request; kept aside before the request is given away.
#[derive(Clone, Debug)]
pub(crate) struct ErrorContext {
    style: ErrorStyle,
    id: RequestId,
    html: bool,
}

impl ErrorStyle {
    pub(crate) fn of(self, call: &Call, headers: &HeaderMap) -> ErrorContext {
        self.with_id(call.id.clone(), headers)
    }

    pub(crate) fn with_id(self, id: RequestId, headers: &HeaderMap) -> ErrorContext {
        let html = self == Self::Development
            && headers
                .get(ACCEPT)
                .and_then(|accept| accept.to_str().ok())
                .is_some_and(|accept| accept.contains("text/html"));
        ErrorContext { style: self, id, html }
    }
}

impl ErrorContext {
    /// The answer for a failed call.
    pub(crate) fn failure(&self, failure: &Failure) -> Response<Body> {
        let status = StatusCode::from_u16(failure.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = if self.html {
            self.page(failure)
        } else {
            let mut error = serde_json::json!({
                "code": failure.kind.code(),
                "message": failure.kind.public_message(),
                "request_id": self.id.as_str(),
            });
            if self.style == ErrorStyle::Development
                && let Some(fields) = error.as_object_mut()
            {
                fields.insert("detail".to_owned(), failure.detail.clone().into());
                fields.insert("limit".to_owned(), failure.kind.limit().into());
                fields.insert("phase".to_owned(), failure.phase.as_str().into());
                fields.insert("function".to_owned(), failure.function.clone().into());
                fields.insert("stack".to_owned(), failure.stack.clone().into());
            }
            serde_json::json!({ "error": error }).to_string()
        };
        let mut response = self.response(status, body);
        if let Some(after) = failure.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }

    /// The answer for a request that no plugin sees.
    pub(crate) fn refusal(&self, status: StatusCode, code: &str, message: &str) -> Response<Body> {
        let error = serde_json::json!({ "code": code, "message": message, "request_id": self.id.as_str() });
        let body = if self.html {
            let mut page = head(&format!("{} {message}", status.as_u16()));
            page.push_str("</main>");
            page
        } else {
            serde_json::json!({ "error": error }).to_string()
        };
        self.response(status, body)
    }

    /// The answer where no plugin has a route. Its author sees which routes there are.
    pub(crate) fn no_route(&self, routes: &[(Pattern, PluginName)]) -> Response<Body> {
        let (status, message) = (StatusCode::NOT_FOUND, "no plugin answers here");
        if !self.html {
            return self.refusal(status, "no-route", message);
        }
        let mut page = head(&format!("{} {message}", status.as_u16()));
        page.push_str("</dl><h2>Routes in skep.toml</h2><ul>");
        for (route, plugin) in routes.iter().take(ROUTES_MAX) {
            // Writing into a string cannot fail.
            let _ = write!(page, "<li><code>{}</code> of {plugin}</li>", escape(&route.to_string()));
        }
        page.push_str("</ul>");
        match routes.len().checked_sub(ROUTES_MAX) {
            Some(more) if more > 0 => {
                let _ = write!(page, "<p>and {more} more");
            }
            _ if routes.is_empty() => page.push_str("<p>There are none: a plugin's entry needs <code>routes</code>."),
            _ => {}
        }
        page.push_str(ONLY_HERE);
        self.response(status, page)
    }

    fn response(&self, status: StatusCode, body: String) -> Response<Body> {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let kind = if self.html { "text/html; charset=utf-8" } else { "application/json" };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn page(&self, failure: &Failure) -> String {
        let mut page = head(&format!("{} {}", failure.kind.status(), failure.kind.code()));
        let mut row = |name: &str, value: &str| {
            // Writing into a string cannot fail.
            let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", escape(value));
        };
        row("what happened", &failure.detail);
        if let Some(limit) = failure.kind.limit() {
            row("limit", &format!("{limit} (in [plugins.NAME.limits] of skep.toml)"));
        }
        row("phase", failure.phase.as_str());
        if let Some(function) = &failure.function {
            row("guest function", function);
        }
        row("request id", self.id.as_str());
        page.push_str("</dl>");
        if !failure.stack.is_empty() {
            page.push_str("<h2>Guest stack, innermost first</h2><ol>");
            for frame in &failure.stack {
                let _ = write!(page, "<li><code>{}</code></li>", escape(frame));
            }
            page.push_str("</ol>");
        }
        page.push_str(ONLY_HERE);
        page
    }
}

fn head(title: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;margin:0;background:#faf8f3;color:#222}}\
         main{{max-width:46rem;margin:3rem auto;padding:0 1.5rem}}h1{{font-size:1.6rem}}h2{{font-size:1.1rem}}\
         dt{{color:#776;font-size:.85rem;margin-top:.8rem}}dd{{margin:0}}code{{background:#efe9db;padding:.1em .3em;overflow-wrap:anywhere}}\
         </style><main><h1>{title}</h1><dl>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use skep_types::{FailureKind, Phase};

    use super::*;

    async fn body(style: ErrorStyle, accept: &'static str) -> String {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        let context = style.with_id(RequestId::from_bits(7), &headers);
        let mut failure =
            Failure::new(FailureKind::FuelExhausted, Phase::Handle, "burnt <all>").in_function("shop::pay");
        failure.stack = vec!["shop::pay<T>".to_owned()];
        let response = context.failure(&failure);
        assert_eq!(response.status(), 500);
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn clients_learn_nothing_of_the_guest_in_production() {
        let told = body(ErrorStyle::Production, "text/html").await;
        assert!(told.contains("fuel-exhausted") && told.contains("0000000000000007"), "{told}");
        assert!(!told.contains("shop") && !told.contains("burnt"), "{told}");
    }

    #[tokio::test]
    async fn authors_see_limit_and_stack_in_development() {
        let page = body(ErrorStyle::Development, "text/html").await;
        assert!(
            page.contains("shop::pay&lt;T&gt;") && page.contains("burnt &lt;all&gt;") && page.contains("fuel ("),
            "{page}"
        );
        let json = body(ErrorStyle::Development, "*/*").await;
        assert!(json.starts_with('{') && json.contains("\"limit\":\"fuel\""), "{json}");
    }

    async fn told_where_nothing_is(
        style: ErrorStyle,
        accept: &'static str,
        routes: &[(Pattern, PluginName)],
    ) -> String {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        let response = style.with_id(RequestId::from_bits(7), &headers).no_route(routes);
        assert_eq!(response.status(), 404);
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn authors_see_which_routes_there_are() {
        let host = Some("api.example.org".to_owned());
        let route =
            |path: &str| Pattern { host: host.clone(), methods: vec![http::Method::GET], path: path.to_owned() };
        let shop = || PluginName::new("shop").unwrap();
        let routes: Vec<_> = (0..ROUTES_MAX + 2).map(|at| (route(&format!("/{at}/{{<id>}}")), shop())).collect();
        let page = told_where_nothing_is(ErrorStyle::Development, "text/html", &routes).await;
        assert!(page.contains("<code>GET api.example.org/99/{&lt;id&gt;}</code> of shop"), "{page}");
        assert!(page.contains("and 2 more") && !page.contains("/100/"), "{page}");
        let page = told_where_nothing_is(ErrorStyle::Development, "text/html", &[]).await;
        assert!(page.contains("There are none"), "{page}");
        for (style, accept) in [(ErrorStyle::Production, "text/html"), (ErrorStyle::Development, "*/*")] {
            let told = told_where_nothing_is(style, accept, &routes).await;
            assert!(told.contains("no-route") && !told.contains("shop"), "{told}");
        }
    }
}
