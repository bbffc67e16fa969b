//! `#[skep::task]` and `#[skep::tasks]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, ReturnType, Type, spanned::Spanned};

use crate::{
    export::{Rules, arguments, is_impl},
    many::{Entry, Many},
};

pub(crate) const TASK: Many<()> = Many {
    rules: Rules {
        attribute: "#[skep::task]",
        noun: "a task",
        concrete: "its arguments come as bytes, of one type",
        free: "it runs in an instance of its own",
        once: "a_plugin_has_one_skep_task__put_several_into_a_module_under_skep_tasks",
    },
    mark: "task",
    module: "#[skep::tasks]",
    settings,
    refuse,
    beside,
    export,
};

fn settings(arguments: &TokenStream, _: &ItemFn) -> Result<(), Error> {
    if arguments.is_empty() {
        return Ok(());
    }
    Err(Error::new_spanned(arguments, "a task's attribute takes no arguments; its limits are written in skep.toml"))
}

fn refuse(function: &ItemFn) -> Vec<Error> {
    let mut errors: Vec<_> = arguments(function)
        .enumerate()
        .filter_map(|(index, ty)| {
            let text = match ty {
                _ if index > 0 => "a task takes one argument at most; a struct or a tuple holds several",
                Type::Reference(_) => "a task takes its argument by value: it runs in an instance of its own",
                _ if is_impl(ty) => "a task is not generic: name the type",
                _ => return None,
            };
            Some(Error::new_spanned(ty, text))
        })
        .collect();
    match &function.sig.output {
        ReturnType::Default => {
            let text = "a task returns `Result<T>`, for instance `Result<()>`: whoever waits is told of an error";
            errors.push(Error::new_spanned(&function.sig.ident, text));
        }
        ReturnType::Type(_, ty) if is_impl(ty) => {
            errors.push(Error::new_spanned(ty, "name the type that a task returns: whoever waits for it decodes it"));
        }
        ReturnType::Type(..) => {}
    }
    errors
}

/// What carries the name: a type, because the function has it as a value.
fn beside(function: &ItemFn, (): &()) -> TokenStream {
    let (name, vis) = (&function.sig.ident, &function.vis);
    let unit: Type = syn::parse_quote!(());
    let args = arguments(function).next();
    let has_args = args.is_some();
    let args = args.unwrap_or(&unit);
    let output = match &function.sig.output {
        ReturnType::Type(_, ty) => &**ty,
        ReturnType::Default => &unit,
    };
    // Errors about what it returns stand there, and not at the attribute.
    let span = Span::call_site().located_at(output.span());
    let value = quote_spanned!(span=> <#output as ::skep_sdk::__private::Done>::Output);
    let call =
        if has_args { quote_spanned!(span=> #name(args)) } else { quote_spanned!(span=> { let () = args; #name() }) };
    let run = quote_spanned!(span=> ::skep_sdk::__private::Done::into_result(#call));
    let text = name.to_string();
    let key = text.trim_start_matches("r#");
    let doc = format!("The task `{key}`, by its name: `{key}::start(..)` and `{key}::map(..)`.");
    quote_spanned! {span=>
        #[doc = #doc]
        #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
        #vis struct #name {}

        #[allow(dead_code)]
        impl #name {
            /// Starts the task. It begins when this call has ended, however it ended, and nobody waits for it.
            ///
            /// # Errors
            /// `Full` if too much waits already; also when the arguments do not encode.
            #vis fn start(args: &#args) -> ::skep_sdk::Result<()> {
                ::skep_sdk::__private::typed_start::<Self>(args)
            }

            /// Runs the task for each of the arguments: `.ordered()?` or `.unordered()?` gives the results.
            #vis fn map(
                args: impl ::std::iter::IntoIterator<Item = impl ::std::borrow::Borrow<#args>>,
            ) -> ::skep_sdk::task::Map<#value> {
                ::skep_sdk::__private::typed_map::<Self>(args)
            }
        }

        impl ::skep_sdk::task::Task for #name {
            type Args = #args;
            type Output = #value;
            const NAME: &'static str = #key;

            fn run(args: #args) -> ::skep_sdk::Result<#value> {
                #run
            }
        }
    }
}

fn export(entries: &[Entry<()>]) -> TokenStream {
    let types: Vec<_> = entries.iter().map(|entry| &entry.function).collect();
    let names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
    quote! {
        use ::skep_sdk::__private::bindings::background as bindings;
        use bindings::exports::skep::plugin::task_handler;

        impl task_handler::Guest for Plugin {
            fn names() -> ::std::vec::Vec<::std::string::String> {
                ::std::vec![#(::std::string::String::from(#names)),*]
            }

            fn run(
                name: ::std::string::String,
                args: ::std::vec::Vec<u8>,
            ) -> ::std::result::Result<::std::vec::Vec<u8>, ::std::string::String> {
                match name.as_str() {
                    #(#names => ::skep_sdk::__private::run::<#types>(&args),)*
                    other => ::std::result::Result::Err(::skep_sdk::__private::unknown("task", other)),
                }
            }
        }

        bindings::export_background!(Plugin with_types_in bindings);
    }
}
