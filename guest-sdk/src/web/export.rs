//! The border to the host: the records of `plugin.wit` to `http` types and back, with no copy of a body and none of a
//! header value on the way in.

use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{
    __private::bindings::http::exports::skep::plugin::http_handler as wit, Bytes, Handler, HeaderMap, HeaderName,
    HeaderValue, IntoResponse, Method, Rejection, Request, Response, StatusCode, web::Route,
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
fn lift(request: wit::Request) -> Result<Request, Rejection> {
    let refuse = |what| Rejection::new(StatusCode::BAD_REQUEST, "invalid-request", format!("the {what} is malformed"));
    let mut lifted = Request::new(Bytes::from(request.body));
    *lifted.method_mut() = Method::from_bytes(request.method.as_bytes()).map_err(|_| refuse("method"))?;
    *lifted.uri_mut() =
        uri(&request.scheme, request.authority, request.path, request.query).ok_or_else(|| refuse("address"))?;
    *lifted.headers_mut() = headers(request.headers).ok_or_else(|| refuse("header"))?;
    lifted.extensions_mut().insert(Route { captures: request.captures, client: request.client });
    Ok(lifted)
}

fn uri(scheme: &str, authority: String, mut path: String, query: Option<String>) -> Option<Uri> {
    if let Some(query) = query {
        path.reserve_exact(query.len() + 1);
        path.push('?');
        path.push_str(&query);
    }
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(path)).ok()?);
    // Without an authority, as HTTP/1.0 allows, only the path is left. An odd one is no reason to refuse a request.
    if let Ok(authority) = Authority::from_maybe_shared(Bytes::from(authority)) {
        parts.scheme = Some(if scheme == "https" { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(authority);
    }
    Uri::from_parts(parts).ok()
}

fn headers(fields: Vec<(String, Vec<u8>)>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::try_with_capacity(fields.len()).ok()?;
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?;
        headers.try_append(name, value).ok()?;
    }
    Some(headers)
}

fn lower(response: Response) -> wit::Response {
    let (parts, body) = response.into_parts();
    let fields = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()));
    wit::Response { status: parts.status.as_u16(), headers: fields.collect(), body: body.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, Path, RequestExt};

    fn request() -> wit::Request {
        wit::Request {
            method: "GET".into(),
            scheme: "https".into(),
            authority: "bees.example:8443".into(),
            path: "/hives/7%20b".into(),
            query: Some("a=1".into()),
            captures: vec![("hive".into(), "7 b".into())],
            headers: vec![("x-a".into(), b"caf\xe9".to_vec()), ("x-a".into(), b"2".to_vec())],
            body: b"honey".to_vec(),
            client: "192.0.2.7".into(),
        }
    }

    #[test]
    fn a_request_arrives_whole() {
        fn handler(Path(hive): Path<String>, client: Client, req: Request) -> Vec<u8> {
            assert_eq!(
                (req.path(), req.query(), &hive[..], client.as_str()),
                ("/hives/7%20b", "a=1", "7 b", "192.0.2.7")
            );
            assert_eq!(req.uri().to_string(), "https://bees.example:8443/hives/7%20b?a=1");
            let values: Vec<_> = req.headers().get_all("x-a").iter().map(HeaderValue::as_bytes).collect();
            assert_eq!(values, [&b"caf\xe9"[..], b"2"]);
            req.into_body().into()
        }
        let response = serve(handler, request());
        assert_eq!((response.status, &response.body[..]), (200, &b"honey"[..]));
        assert_eq!(response.headers, [("content-type".to_owned(), b"application/octet-stream".to_vec())]);
    }

    #[test]
    fn a_body_is_not_copied() {
        let request = request();
        let address = request.body.as_ptr();
        let response = serve(|body: String| body, request);
        assert_eq!(response.body.as_ptr(), address);
    }

    #[test]
    fn a_missing_or_odd_authority_leaves_the_path() {
        for authority in ["", "a b"] {
            let request = wit::Request { authority: authority.into(), query: None, ..request() };
            assert_eq!(lift(request).unwrap().uri(), "/hives/7%20b");
        }
    }

    #[test]
    fn what_http_does_not_allow_is_refused_without_a_panic() {
        for broken in [
            wit::Request { method: "G T".into(), ..request() },
            wit::Request { path: "a b".into(), ..request() },
            wit::Request { headers: vec![("a b".into(), Vec::new())], ..request() },
            wit::Request { headers: vec![("a".into(), b"1\n2".to_vec())], ..request() },
            wit::Request { headers: vec![("a".into(), Vec::new()); 40_000], ..request() },
        ] {
            assert_eq!(serve(|| "never", broken).status, 400);
        }
    }
}
