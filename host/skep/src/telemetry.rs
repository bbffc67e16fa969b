//! Log lines and metrics of the process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use skep_admin::LogHub;
use skep_node::meter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::cli::LogFormat;

/// Histograms collect samples between two scrapes; this often they are folded into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Writes log lines to standard error, and hands those of guests to the hub. `RUST_LOG` filters; the default is what
/// an operator wants to see.
pub(crate) fn logs(format: LogFormat) -> LogHub {
    let hub = LogHub::default();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = match format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr).boxed()
        }
        LogFormat::Json => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
        }
    };
    // A second subscriber in one process is a test's doing, and the first one serves.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).with(hub.layer()).try_init();
    hub
}

/// Installs the process's metrics and returns what renders them. Must be called inside the async runtime.
pub(crate) fn metrics() -> anyhow::Result<Arc<dyn Fn() -> String + Send + Sync>> {
    let seconds =
        [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let fuel = [1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
    let bytes = [131_072.0, 1_048_576.0, 2_097_152.0, 8_388_608.0, 33_554_432.0, 134_217_728.0, 1_073_741_824.0];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(meter::SECONDS.to_owned()), &seconds)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(meter::FUEL.to_owned()), &fuel))
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(meter::MEMORY.to_owned()), &bytes))
        .and_then(PrometheusBuilder::install_recorder)
        .context("installing the metrics recorder")?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(Arc::new(move || handle.render()))
}
