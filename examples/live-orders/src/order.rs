//! Orders: kept in the table `orders`, told on the topic `orders:all`, and the pieces of HTML that they are on the page.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_sdk::{cache::Ttl, prelude::*};

/// What the event stream writes to the browsers.
pub const TOPIC: &str = "orders:all";
const ORDER: &str = "order:";
/// As long as an order may take to be placed, while the others wait.
const WAIT: Duration = Duration::from_secs(2);

#[derive(Serialize, Deserialize)]
pub struct Order {
    pub id: i64,
    item: String,
    customer: String,
    packed: bool,
}

/// Keeps an order and tells everybody. The lock makes this one step to whoever opens the page meanwhile, who is to have
/// the order in the table or from the topic, not from both.
pub fn place(item: &str, customer: &str) -> Result<Order> {
    let orders = cache::bucket("orders")?;
    let _one_step = orders.lock("placing", WAIT)?;
    let id = orders.increment_for("placed", 1, Ttl::Unlimited)?;
    let order = Order { id, item: item.to_owned(), customer: customer.to_owned(), packed: false };
    orders.put(&format!("{ORDER}{id}"), &order)?;
    let told = pubsub::to(TOPIC).event("order").publish_bytes(order.row())?;
    orders.put_for("told", &told, Ttl::Unlimited)?;
    Ok(order)
}

/// Marks an order as packed and tells everybody, unless it is too old to be there.
pub fn pack(id: i64) -> Result<()> {
    let packed = cache::bucket("orders")?
        .update(&format!("{ORDER}{id}"), |order| order.map(|order: Order| Order { packed: true, ..order }))?;
    if let Some(order) = packed {
        pubsub::to(TOPIC).event("packed").publish_bytes(order.state(r#" hx-swap-oob="true""#))?;
    }
    Ok(())
}

/// All orders, the newest first, and the message that told of the newest.
pub fn all() -> Result<(Vec<Order>, Option<u64>)> {
    let orders = cache::bucket("orders")?;
    let _nobody_places = orders.lock("placing", WAIT)?;
    let keys = orders.keys(ORDER).collect::<Result<Vec<_>>>()?;
    let mut all: Vec<Order> = orders.get_many(keys)?.into_iter().flatten().collect();
    all.sort_by_key(|order| std::cmp::Reverse(order.id));
    Ok((all, orders.get("told")?.flatten()))
}

impl Order {
    /// The order as a row of the table.
    pub fn row(&self) -> String {
        let (id, item, customer) = (self.id, escape(&self.item), escape(&self.customer));
        let state = self.state("");
        format!(r#"<tr><td>{id}</td><td>{item}</td><td>{customer}</td>{state}</tr>"#)
    }

    /// The last cell of the row. With `hx-swap-oob` it is the whole message: htmx finds the cell by its id.
    fn state(&self, attributes: &str) -> String {
        let state = if self.packed { "packed" } else { "placed" };
        format!(r#"<td id="state-{}" class="{state}"{attributes}>{state}</td>"#, self.id)
    }
}

/// What a stranger typed, as text between two tags.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
