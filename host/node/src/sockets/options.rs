//! From the manifest's words to the engine's and the front's.

use anyhow::Context as _;
use skep_channels::{Rate, SlowClient, SocketOptions};
use skep_manifest::{SocketConfig, SocketLimits, SocketOrigins, SocketOverflow};
use skep_web::{EndpointOptions, OriginPattern, Origins};

/// How the sockets of a mount are bounded.
pub(super) fn of(config: &SocketConfig) -> SocketOptions {
    let limits = of_limits(&config.limits);
    SocketOptions {
        channels_max: usize::try_from(config.channels).unwrap_or(usize::MAX),
        joins: Rate { per_second: config.joins_per_second, burst: config.joins_burst },
        slow_client: match config.overflow {
            SocketOverflow::Close => SlowClient::Close,
            SocketOverflow::DropBroadcasts => SlowClient::DropBroadcasts,
        },
        window: config.longpoll.map_or(limits.window, |longpoll| longpoll.window),
        ..limits
    }
}

/// How sockets are bounded that have no channels.
pub(super) fn of_limits(limits: &SocketLimits) -> SocketOptions {
    let SocketLimits { frame, idle_timeout, messages_per_second, messages_burst, queue, queue_bytes, .. } = limits;
    SocketOptions {
        frame_bytes_max: *frame,
        messages: Rate { per_second: *messages_per_second, burst: *messages_burst },
        idle_timeout: *idle_timeout,
        queue: *queue,
        queue_bytes: *queue_bytes,
        slow_client: SlowClient::Close,
        ..SocketOptions::default()
    }
}

/// Who may connect.
///
/// # Errors
/// An origin, or a header's name, that is none.
pub(super) fn endpoint(config: &SocketConfig) -> anyhow::Result<EndpointOptions> {
    let headers = config.headers.iter().map(|name| name.parse().with_context(|| format!("the header `{name}`")));
    Ok(EndpointOptions { headers: headers.collect::<anyhow::Result<_>>()?, ..endpoint_of_limits(&config.limits)? })
}

/// Who may connect where there are no channels: whoever the plugin lets in, of these pages.
///
/// # Errors
/// An origin that is none.
pub(super) fn endpoint_of_limits(limits: &SocketLimits) -> anyhow::Result<EndpointOptions> {
    let origins = match &limits.origins {
        SocketOrigins::SameHost => Origins::SameHost,
        SocketOrigins::Any => Origins::Any,
        SocketOrigins::Only(list) => {
            let read = |origin: &skep_manifest::Origin| -> anyhow::Result<OriginPattern> {
                let text = origin.to_string();
                text.parse().with_context(|| format!("the origin `{text}`"))
            };
            Origins::List(list.iter().map(read).collect::<anyhow::Result<_>>()?)
        }
    };
    Ok(EndpointOptions { origins, ..EndpointOptions::default() })
}
