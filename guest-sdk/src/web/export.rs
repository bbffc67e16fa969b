//! The border to the host: the records of `plugin.wit` to `http` types and back, with no copy of a body and none of a
//! header value on the way in.

use crate::{
    __private::bindings::{http::exports::skep::plugin::http_handler as wit, imports::skep::plugin::types},
    Bytes, Handler, HeaderMap, HeaderName, HeaderValue, IntoResponse, Method, Rejection, Request, Response, StatusCode,
    Uri,
    web::Route,
};

/// What the exported `handle` does.
pub fn serve<M>(handler: impl Handler<M>, request: wit::Request) -> wit::Response {
    let response = match lift(request) {
        Ok(request) => handler.call(request),
        Err(rejection) => rejection.into_response(),
    };
    lower(response)
}

/// The host has parsed what it hands over; should it and this crate ever disagree, the request is refused.
pub(crate) fn lift(request: wit::Request) -> Result<Request, Rejection> {
    let refuse = |what| Rejection::new(StatusCode::BAD_REQUEST, "invalid-request", format!("the {what} is malformed"));
    let mut lifted = Request::new(Bytes::from(request.body.unwrap_or_default()));
    *lifted.method_mut() = method(request.method).ok_or_else(|| refuse("method"))?;
    *lifted.uri_mut() = Uri::from_maybe_shared(Bytes::from(request.uri)).map_err(|_| refuse("address"))?;
    *lifted.headers_mut() = headers(&Bytes::from(request.headers)).ok_or_else(|| refuse("header"))?;
    if let Some(captures) = request.captures {
        lifted.extensions_mut().insert(Route::encoded(captures));
    }
    Ok(lifted)
}

fn method(method: types::Method) -> Option<Method> {
    Some(match method {
        types::Method::Get => Method::GET,
        types::Method::Head => Method::HEAD,
        types::Method::Post => Method::POST,
        types::Method::Put => Method::PUT,
        types::Method::Delete => Method::DELETE,
        types::Method::Connect => Method::CONNECT,
        types::Method::Options => Method::OPTIONS,
        types::Method::Trace => Method::TRACE,
        types::Method::Patch => Method::PATCH,
        types::Method::Other(name) => Method::from_bytes(name.as_bytes()).ok()?,
    })
}

/// The fields of a block of lines. Their values share its memory.
fn headers(block: &Bytes) -> Option<HeaderMap> {
    let lines = block.iter().filter(|byte| **byte == b'\n').count();
    let mut headers = HeaderMap::try_with_capacity(lines).ok()?;
    for line in block.split_inclusive(|byte| *byte == b'\n') {
        let field = line.strip_suffix(b"\r\n")?;
        let name_length = field.iter().position(|byte| *byte == b':')?;
        let (name, value) = field.split_at_checked(name_length)?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_maybe_shared(block.slice_ref(value.strip_prefix(b": ")?)).ok()?;
        headers.try_append(name, value).ok()?;
    }
    Some(headers)
}

pub(crate) fn lower(response: Response) -> wit::Response {
    let (parts, body) = response.into_parts();
    wit::Response { status: parts.status.as_u16(), headers: fields(&parts.headers), body: body.into() }
}

pub(crate) fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Path, RequestExt};

    fn request() -> wit::Request {
        wit::Request {
            method: types::Method::Get,
            uri: "https://bees.example:8443/hives/7%20b?a=1".into(),
            captures: Some("hive=7+b&rest=a%2F%26".into()),
            headers: b"x-a: caf\xe9\r\nx-empty: \r\nx-a: a: 2\r\n".to_vec(),
            body: Some(b"honey".to_vec()),
        }
    }

    #[test]
    fn a_request_arrives_whole() {
        fn handler(Path((hive, rest)): Path<(String, String)>, req: Request) -> Vec<u8> {
            assert_eq!((req.path(), req.query(), &hive[..], &rest[..]), ("/hives/7%20b", "a=1", "7 b", "a/&"));
            assert_eq!(req.uri().to_string(), "https://bees.example:8443/hives/7%20b?a=1");
            let values: Vec<_> = req.headers().get_all("x-a").iter().map(HeaderValue::as_bytes).collect();
            assert_eq!((values, req.header("x-empty")), (vec![&b"caf\xe9"[..], b"a: 2"], Some("")));
            req.into_body().into()
        }
        let response = serve(handler, request());
        assert_eq!((response.status, &response.body[..]), (200, &b"honey"[..]));
        assert_eq!(response.headers, [("content-type".to_owned(), b"application/octet-stream".to_vec())]);
    }

    #[test]
    fn a_body_is_not_copied() {
        let request = request();
        let address = request.body.as_ref().unwrap().as_ptr();
        let response = serve(|body: String| body, request);
        assert_eq!(response.body.as_ptr(), address);
    }

    #[test]
    fn a_request_may_lack_all_but_its_path() {
        let bare = wit::Request { uri: "/a?b".into(), captures: None, headers: Vec::new(), body: None, ..request() };
        let lifted = lift(bare).unwrap();
        assert_eq!((lifted.uri().to_string(), lifted.headers().len(), lifted.body().len()), ("/a?b".into(), 0, 0));
        assert_eq!(lifted.capture("hive"), None);
    }

    #[test]
    fn every_method_has_its_name() {
        let other = types::Method::Other("PURGE".into());
        let names = [(types::Method::Delete, "DELETE"), (types::Method::Patch, "PATCH"), (other, "PURGE")];
        for (given, name) in names {
            assert_eq!(method(given).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_http_does_not_allow_is_refused_without_a_panic() {
        for broken in [
            wit::Request { method: types::Method::Other("G T".into()), ..request() },
            wit::Request { uri: "a b".into(), ..request() },
            wit::Request { headers: b"a b: 1\r\n".to_vec(), ..request() },
            wit::Request { headers: b"a: 1\0\r\n".to_vec(), ..request() },
            wit::Request { headers: b"a: 1\n".to_vec(), ..request() },
            wit::Request { headers: b"a\r\n".to_vec(), ..request() },
            wit::Request { headers: b"a: 1".to_vec(), ..request() },
            wit::Request { headers: b"a: \r\n".repeat(40_000), ..request() },
        ] {
            assert_eq!(serve(|| "never", broken).status, 400);
        }
    }
}
