//! `#[skep::job]` and `#[skep::jobs]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Error, Expr, ExprLit, ItemFn, Lit, MetaNameValue, ReturnType, Token, Type, parse::Parser, punctuated::Punctuated,
    spanned::Spanned,
};

use crate::{
    export::{Rules, arguments, combine, is_impl, is_short_reference},
    many::{Entry, Many},
};

/// As in the host.
const NAME_BYTES_MAX: usize = 64;
const PRIORITY_MAX: u8 = 9;
/// The units of a duration in milliseconds, the largest first; `ms` is before `m`, so that the longer name is tried first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1000)];

pub(crate) const JOB: Many<Settings> = Many {
    rules: Rules {
        attribute: "#[skep::job]",
        noun: "a job",
        concrete: "its arguments come as bytes, of one type",
        free: "it runs in an instance of its own",
        once: "a_plugin_has_one_skep_job__put_several_into_a_module_under_skep_jobs",
    },
    mark: "job",
    module: "#[skep::jobs]",
    settings,
    refuse,
    beside,
    export,
};

/// What the attribute says; what it does not say is Oban's default.
pub(crate) struct Settings {
    queue: String,
    max_attempts: u16,
    priority: u8,
    timeout_ms: Option<u64>,
}

fn settings(arguments: &TokenStream, _: &ItemFn) -> Result<Settings, Error> {
    let mut settings = Settings { queue: "default".to_owned(), max_attempts: 20, priority: 0, timeout_ms: None };
    let parser = Punctuated::<MetaNameValue, Token![,]>::parse_terminated;
    let pairs = parser.parse2(arguments.clone()).map_err(|error| {
        let text = format!("a job's attribute has settings, such as `queue = \"mail\", max_attempts = 5`: {error}");
        Error::new(error.span(), text)
    })?;
    let mut errors = Vec::new();
    let mut seen = Vec::new();
    for pair in &pairs {
        let name = pair.path.get_ident().map(ToString::to_string).unwrap_or_default();
        if seen.contains(&name) {
            errors.push(Error::new_spanned(&pair.path, format!("`{name}` is said twice")));
        }
        errors.extend(set(&mut settings, &name, pair).err());
        seen.push(name);
    }
    match combine(errors) {
        Some(error) => Err(error),
        None => Ok(settings),
    }
}

fn set(settings: &mut Settings, name: &str, pair: &MetaNameValue) -> Result<(), Error> {
    match name {
        "queue" => settings.queue = queue(&pair.value)?,
        "max_attempts" => {
            settings.max_attempts = number(&pair.value).filter(|number| *number > 0).ok_or_else(|| {
                Error::new_spanned(&pair.value, format!("a job is tried at least once, and at most {} times", u16::MAX))
            })?;
        }
        "priority" => {
            let priority = number(&pair.value).filter(|number| *number <= PRIORITY_MAX);
            let text = "a priority is 0 to 9; jobs with a low one come first";
            settings.priority = priority.ok_or_else(|| Error::new_spanned(&pair.value, text))?;
        }
        "timeout" => {
            let timeout = text(&pair.value).as_deref().and_then(duration_ms).filter(|ms| *ms > 0);
            let text =
                "a timeout is a text of whole numbers with ms, s, m or h, such as \"500ms\", \"30s\" or \"1m30s\"";
            settings.timeout_ms = Some(timeout.ok_or_else(|| Error::new_spanned(&pair.value, text))?);
        }
        _ => {
            let text = "a job's settings are `queue`, `max_attempts`, `priority` and `timeout`";
            return Err(Error::new_spanned(&pair.path, text));
        }
    }
    Ok(())
}

fn queue(value: &Expr) -> Result<String, Error> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let is_name = |name: &String| (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed);
    text(value).filter(is_name).ok_or_else(|| {
        let text = format!("a queue's name is a text of 1 to {NAME_BYTES_MAX} lower-case letters, digits, `-` and `_`");
        Error::new_spanned(value, text)
    })
}

pub(crate) fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

pub(crate) fn number<N: std::str::FromStr>(value: &Expr) -> Option<N>
where
    N::Err: std::fmt::Display,
{
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        _ => None,
    }
}

/// As the manifest reads durations.
fn duration_ms(text: &str) -> Option<u64> {
    let (mut rest, mut total_ms, mut last_scale) = (text, 0_u64, u64::MAX);
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let (tail, scale) = UNITS.iter().find_map(|(unit, scale)| Some((tail.strip_prefix(unit)?, *scale)))?;
        if scale >= last_scale {
            return None;
        }
        total_ms = total_ms.checked_add(number.parse::<u64>().ok()?.checked_mul(scale)?)?;
        if tail.is_empty() {
            return Some(total_ms);
        }
        (rest, last_scale) = (tail, scale);
    }
}

/// `&Job`; whether it is the right type in there is the compiler's to say.
fn is_context(ty: &Type) -> bool {
    is_short_reference(ty, |inner| matches!(inner, Type::Path(_)) && !is_impl(inner))
}

/// What it is given, and whether it wants to know who it is.
fn parameters(function: &ItemFn) -> (Option<&Type>, Option<&Type>) {
    let mut types = arguments(function);
    match (types.next(), types.next()) {
        (Some(ty), None) if is_context(ty) => (None, Some(ty)),
        both => both,
    }
}

fn refuse(function: &ItemFn) -> Vec<Error> {
    let types: Vec<_> = arguments(function).collect();
    let mut errors: Vec<_> = types
        .iter()
        .enumerate()
        .filter_map(|(index, ty)| {
            let text = match ty {
                _ if index > 1 => {
                    "a job takes its arguments as one value, and `&Job`; a struct or a tuple holds several"
                }
                _ if index == 1 && !is_context(ty) => "what is known of the job comes second, as `&Job`",
                _ if index == 1 => return None,
                Type::Reference(_) if types.len() > 1 || !is_context(ty) => {
                    "a job takes its arguments by value: they are read from the store"
                }
                _ if is_impl(ty) => "a job is not generic: name the type",
                _ => return None,
            };
            Some(Error::new_spanned(ty, text))
        })
        .collect();
    match &function.sig.output {
        ReturnType::Default => {
            let text = "a job returns `JobResult`: after an error it is tried again";
            errors.push(Error::new_spanned(&function.sig.ident, text));
        }
        ReturnType::Type(_, ty) if is_impl(ty) => {
            errors.push(Error::new_spanned(
                ty,
                "name the type that a job returns: it is kept, and read by who awaits it",
            ));
        }
        ReturnType::Type(..) => {}
    }
    errors
}

/// What carries the name: a type, because the function has it as a value.
fn beside(function: &ItemFn, settings: &Settings) -> TokenStream {
    let (name, vis) = (&function.sig.ident, &function.vis);
    let unit: Type = syn::parse_quote!(());
    let (args, context) = parameters(function);
    let is_given = args.is_some().then(|| quote!(args));
    let args = args.unwrap_or(&unit);
    let output = match &function.sig.output {
        ReturnType::Type(_, ty) => &**ty,
        ReturnType::Default => &unit,
    };
    // Errors about what it returns stand there, and not at the attribute.
    let span = Span::call_site().located_at(output.span());
    let value = quote_spanned!(span=> <#output as ::skep_sdk::__private::Performed>::Output);
    let context = context.map(|ty| {
        let span = Span::call_site().located_at(ty.span());
        quote_spanned!(span=> job)
    });
    let given = is_given.into_iter().chain(context);
    let call = quote_spanned!(span=> #name(#(#given),*));
    let perform = quote_spanned!(span=> ::skep_sdk::__private::Performed::into_result(#call));
    let text = name.to_string();
    let key = text.trim_start_matches("r#");
    let doc =
        format!("The job `{key}`, by its name: `{key}::enqueue(&args)`, or `{key}::job(&args)` with more to say.");
    let Settings { queue, max_attempts, priority, timeout_ms } = settings;
    let timeout = match timeout_ms {
        Some(ms) => quote!(::std::option::Option::Some(::std::time::Duration::from_millis(#ms))),
        None => quote!(::std::option::Option::None),
    };
    quote_spanned! {span=>
        #[doc = #doc]
        #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
        #vis struct #name {}

        #[allow(dead_code)]
        impl #name {
            /// A job in the making: for when, how often and after what it is done, for a list, or for a commit.
            #vis fn job(args: &#args) -> ::skep_sdk::jobs::NewJob {
                ::skep_sdk::__private::typed_job::<Self>(args)
            }

            /// Keeps a job, durably, to be done as soon as possible.
            ///
            /// # Errors
            /// `Full` if the plugin's quota is used up, `TooLarge`, `Unavailable`; also when the arguments do not encode.
            #vis fn enqueue(args: &#args) -> ::skep_sdk::Result<::skep_sdk::jobs::Enqueued> {
                Self::job(args).enqueue()
            }

            /// Waits for the end of a job, and gives what it returned.
            ///
            /// # Errors
            /// `Timeout` if it has not ended by then, `NotFound` if there is no such job; also when it was cancelled or
            /// failed for the last time.
            #vis fn await_output(
                id: ::skep_sdk::jobs::JobId,
                wait: ::std::time::Duration,
            ) -> ::skep_sdk::Result<#value> {
                ::skep_sdk::jobs::await_end(id, wait)?.output()
            }
        }

        impl ::skep_sdk::jobs::Worker for #name {
            type Args = #args;
            type Output = #value;
            const NAME: &'static str = #key;
            const QUEUE: &'static str = #queue;
            const MAX_ATTEMPTS: u16 = #max_attempts;
            const PRIORITY: u8 = #priority;
            const TIMEOUT: ::std::option::Option<::std::time::Duration> = #timeout;

            #[allow(unused_variables)]
            fn perform(
                args: #args,
                job: &::skep_sdk::jobs::Job,
            ) -> ::std::result::Result<#value, ::skep_sdk::jobs::JobError> {
                #perform
            }
        }
    }
}

fn export(entries: &[Entry<Settings>]) -> TokenStream {
    let types: Vec<_> = entries.iter().map(|entry| &entry.function).collect();
    let names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
    quote! {
        use ::skep_sdk::__private::bindings::workers as bindings;
        use bindings::exports::skep::plugin::job_handler;

        impl job_handler::Guest for Plugin {
            fn definitions() -> ::std::vec::Vec<job_handler::Definition> {
                ::std::vec![#(::skep_sdk::__private::definition::<#types>()),*]
            }

            fn perform(job: job_handler::Job) -> job_handler::Outcome {
                match job.name.as_str() {
                    #(#names => ::skep_sdk::__private::perform::<#types>(job),)*
                    other => job_handler::Outcome::Failed(::skep_sdk::__private::unknown("job", other)),
                }
            }
        }

        bindings::export_workers!(Plugin with_types_in bindings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_the_manifest() {
        for (text, ms) in [("30s", 30_000), ("500ms", 500), ("1m30s", 90_000), ("2h", 7_200_000)] {
            assert_eq!(duration_ms(text), Some(ms), "{text}");
        }
        for text in ["", "30", "s", "1.5s", "1s1h", "1d", "99999999999999999999s"] {
            assert_eq!(duration_ms(text), None, "{text}");
        }
    }
}
