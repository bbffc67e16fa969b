//! From a request to a response.

use std::fs::File;
use std::io;

use crate::conditional::{self, Outcome, Validators};
use crate::config::Config;
use crate::encoding;
use crate::files::{self, Kind, Opened};
use crate::mime;
use crate::path::{self, Refusal, SafePath};
use crate::range::{self, Part};

/// What answers for a folder.
const INDEX: &str = "index.html";
/// What answers for nothing at all, if it is there.
const NOT_FOUND: &str = "404.html";

/// A request, as far as it matters.
pub struct Request<'a> {
    /// Its method.
    pub method: Method,
    /// The path and, behind a `?`, the query.
    pub target: &'a str,
    /// Looks up a header field by its name in lower case; several lines of it are joined by commas.
    pub header: &'a dyn Fn(&str) -> Option<String>,
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD: as GET, without the body
    Head,
    /// Any other; files only have these two
    Other,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// The header fields, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body; its length is among the headers.
    pub body: Body,
}

/// What a response consists of.
#[derive(Debug)]
pub enum Body {
    /// Nothing, whatever the headers say of its length.
    Empty,
    /// A line for people.
    Text(&'static str),
    /// A part of a file.
    File {
        /// The file.
        file: File,
        /// Where the part starts.
        start: u64,
        /// How long it is.
        length: u64,
    },
}

/// Answers a request. What went wrong is on stderr; the client only learns that something did.
#[must_use]
pub fn respond(config: &Config, request: &Request<'_>) -> Response {
    let mut response = match request.method {
        Method::Other => Response::text(405, "method not allowed\n").with("allow", "GET, HEAD"),
        Method::Get | Method::Head => serve(config, request).unwrap_or_else(|error| {
            eprintln!("{:?}: {error}", request.target);
            Response::failure()
        }),
    };
    if request.method == Method::Head {
        response.body = Body::Empty;
    }
    response
}

impl Response {
    /// The server is to blame.
    pub(crate) fn failure() -> Self {
        Self::text(500, "internal error\n")
    }

    fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }.with("x-content-type-options", "nosniff")
    }

    fn text(status: u16, text: &'static str) -> Self {
        let mut response = Self::new(status)
            .with("content-type", "text/plain; charset=utf-8")
            .with("content-length", text.len().to_string());
        response.body = Body::Text(text);
        response
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn with_file(self, file: File, start: u64, length: u64) -> Self {
        Self { body: Body::File { file, start, length }, ..self }.with("content-length", length.to_string())
    }
}

fn serve(config: &Config, request: &Request<'_>) -> io::Result<Response> {
    let (raw, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let path = match SafePath::parse(raw, config.hidden) {
        Ok(path) => path,
        Err(Refusal::Malformed) => return Ok(Response::text(400, "bad request\n")),
        Err(Refusal::Hidden) => return not_found(config, request),
    };
    let Some(path) = path.strip_prefix(&config.prefix) else { return not_found(config, request) };

    let index = path.name(Some(INDEX));
    let name = if path.folder { index.clone() } else { path.name(None) };
    match files::kind(&config.root.join(&name))? {
        Kind::File => return file(config, request, &name),
        // Only where there is something to see: then relative links on the page start from the folder.
        Kind::Folder if files::kind(&config.root.join(&index))? == Kind::File => {
            return Ok(redirect(config, &path, query));
        }
        Kind::Folder | Kind::Nothing => {}
    }
    match &config.spa {
        Some(spa) if !path.has_extension() => file(config, request, spa),
        _ => not_found(config, request),
    }
}

/// Sends to the same path with a slash at its end.
fn redirect(config: &Config, path: &SafePath, query: &str) -> Response {
    let mut location = path.folder_url(&config.prefix);
    if !query.is_empty() {
        location.push('?');
        path::encode(query, |byte| byte.is_ascii_graphic(), &mut location);
    }
    // Browsers keep a 301 for ever unless they are told otherwise.
    Response::text(301, "moved permanently\n")
        .with("location", location)
        .with("cache-control", config.cache_control.as_str())
}

/// Answers with a file, named from the root.
fn file(config: &Config, request: &Request<'_>, name: &str) -> io::Result<Response> {
    let Some(opened) = open(config, request, name)? else { return not_found(config, request) };
    let validators = Validators::new(opened.size, opened.modified, opened.encoding);
    let validators = validators.as_ref();
    let mut response =
        Response::new(200).with("vary", "accept-encoding").with("cache-control", config.cache_control(name));
    if let Some(validators) = validators {
        response = response.with("etag", validators.etag()).with("last-modified", validators.last_modified());
    }
    match conditional::evaluate(validators, request.header) {
        Outcome::Proceed => {}
        Outcome::NotModified => return Ok(Response { status: 304, ..response }),
        Outcome::Failed => return Ok(Response::text(412, "precondition failed\n")),
    }
    response = response.with("accept-ranges", "bytes");
    match part(request, validators, opened.size) {
        Part::Whole => {
            let size = opened.size;
            Ok(describe(response, name, &opened).with_file(opened.file, 0, size))
        }
        Part::Range { start, length } => {
            let last = start.saturating_add(length).saturating_sub(1);
            let range = format!("bytes {start}-{last}/{}", opened.size);
            response = describe(response, name, &opened).with("content-range", range);
            Ok(Response { status: 206, ..response }.with_file(opened.file, start, length))
        }
        Part::Unsatisfiable => {
            let range = format!("bytes */{}", opened.size);
            Ok(Response::text(416, "range not satisfiable\n")
                .with("accept-ranges", "bytes")
                .with("content-range", range))
        }
    }
}

/// The part that was asked for; the RFC defines that for GET alone.
fn part(request: &Request<'_>, validators: Option<&Validators>, size: u64) -> Part {
    let header = request.header;
    match header("range") {
        Some(range)
            if request.method == Method::Get
                && conditional::range_applies(validators, header("if-range").as_deref()) =>
        {
            range::part(&range, size)
        }
        _ => Part::Whole,
    }
}

fn not_found(config: &Config, request: &Request<'_>) -> io::Result<Response> {
    let Some(opened) = open(config, request, NOT_FOUND)? else {
        // A missing grant looks the same to the client, but the operator wants to know.
        if files::kind(&config.root)? != Kind::Folder {
            return Err(io::Error::other(format!("there is no folder {}; is it granted?", config.root.display())));
        }
        return Ok(Response::text(404, "not found\n"));
    };
    let size = opened.size;
    let response = Response::new(404).with("vary", "accept-encoding").with("cache-control", "no-cache");
    Ok(describe(response, NOT_FOUND, &opened).with_file(opened.file, 0, size))
}

fn open(config: &Config, request: &Request<'_>, name: &str) -> io::Result<Option<Opened>> {
    let header = request.header;
    let preferred = header("accept-encoding").map(|field| encoding::preferred(&field)).unwrap_or_default();
    files::open(&config.root.join(name), &preferred)
}

fn describe(response: Response, name: &str, opened: &Opened) -> Response {
    let response = response.with("content-type", mime::of(name));
    match opened.encoding {
        Some(encoding) => response.with("content-encoding", encoding.token()),
        None => response,
    }
}
