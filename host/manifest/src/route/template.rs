//! Topics with a route's captures in them: `orders:{id}`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use skep_types::{InvalidTopic, TopicName, TopicPattern};

/// A topic of the plugin, made of literal text and captures of the route's path: `orders:{id}`. `{{` and `}}` are
/// literal braces.
///
/// A capture takes what the client wrote, colons and slashes included, so `orders:{id}` reaches all topics that begin
/// with `orders:`, and a template that begins with a capture reaches all topics of the plugin; never those of another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicTemplate(Arc<[Part]>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Literal(String),
    Capture(String),
}

/// A text that is no template of topics.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTemplate {
    /// Braces that do not match.
    #[error("`{0}` has unbalanced braces; write `{{{{` and `}}}}` for literal ones")]
    Braces(String),
    /// A bad name.
    #[error("`{0}` is not a capture's name: write it as in the route's path, without `*`")]
    Name(String),
    /// The literal text can be no part of a topic.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
}

impl TopicTemplate {
    /// In place of one that could not be read.
    pub(super) fn empty() -> Self {
        Self(Arc::new([]))
    }

    /// The names of the captures, in the order of the text.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Capture(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// What the topics have in common that it makes.
    #[must_use]
    pub fn pattern(&self) -> TopicPattern {
        match (self.0.first(), self.0.len()) {
            (Some(Part::Literal(topic)), 1) => {
                TopicName::new(topic).map_or_else(|_| TopicPattern::Prefix("".into()), TopicPattern::Exact)
            }
            (Some(Part::Literal(prefix)), _) => TopicPattern::Prefix(prefix.as_str().into()),
            _ => TopicPattern::Prefix("".into()),
        }
    }

    /// The topic of a request, whose captures are percent-decoded already. It is the plugin's own, whatever they hold.
    ///
    /// # Errors
    /// When no topic can have such a name: it got too long, or a value has a control character or `*` in it. Also when
    /// a capture has no value, which cannot be where the route has passed the manifest's checks.
    pub fn fill(&self, captures: &[(String, String)]) -> Result<TopicName, InvalidTopic> {
        let mut topic = String::new();
        for part in self.0.iter() {
            topic.push_str(match part {
                Part::Literal(text) => text,
                Part::Capture(name) => {
                    let value = captures.iter().find(|(capture, _)| capture == name);
                    let (_, value) = value.ok_or_else(|| InvalidTopic::Size(self.to_string()))?;
                    value
                }
            });
        }
        TopicName::new(&topic)
    }
}

impl FromStr for TopicTemplate {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let unbalanced = || InvalidTemplate::Braces(text.chars().take(80).collect());
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, from_brace)) = rest.find(['{', '}']).and_then(|at| rest.split_at_checked(at)) {
            literal.push_str(before);
            if let Some((brace, behind)) = doubled(from_brace) {
                literal.push(brace);
                rest = behind;
                continue;
            }
            let inside = from_brace.strip_prefix('{').ok_or_else(unbalanced)?;
            let (name, behind) = inside.split_once('}').ok_or_else(unbalanced)?;
            if !super::path::is_name(name) {
                return Err(InvalidTemplate::Name(name.chars().take(80).collect()));
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Capture(name.to_owned()));
            rest = behind;
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(literal));
        }
        check_literals(&parts)?;
        Ok(Self(parts.into()))
    }
}

/// A brace that is written twice, and what follows.
fn doubled(text: &str) -> Option<(char, &str)> {
    let open = text.strip_prefix("{{").map(|behind| ('{', behind));
    open.or_else(|| text.strip_prefix("}}").map(|behind| ('}', behind)))
}

/// The literal text must leave room for the captures, and must have nothing in it that a topic cannot have.
fn check_literals(parts: &[Part]) -> Result<(), InvalidTopic> {
    let shortest = parts.iter().map(|part| match part {
        Part::Literal(text) => text.as_str(),
        // A capture is never empty.
        Part::Capture(_) => "x",
    });
    TopicName::new(&shortest.collect::<String>()).map(drop)
}

impl fmt::Display for TopicTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Capture(name) => write!(f, "{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, values: &[(&str, &str)]) -> Result<String, InvalidTopic> {
        let captures: Vec<_> = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        template.parse::<TopicTemplate>().unwrap().fill(&captures).map(|topic| topic.as_str().to_owned())
    }

    #[test]
    fn templates_read_print_and_know_their_topics() {
        for (text, captures, pattern) in [
            ("news", vec![], "news"),
            ("orders:{id}", vec!["id"], "orders:*"),
            ("{a}:{b-2}x", vec!["a", "b-2"], "*"),
            ("{{a}}:{b_}", vec!["b_"], "{a}:*"),
            ("a{b}{b}", vec!["b", "b"], "a*"),
        ] {
            let template: TopicTemplate = text.parse().unwrap();
            assert_eq!(template.to_string(), text);
            assert_eq!(template.captures().collect::<Vec<_>>(), captures);
            assert_eq!(template.pattern().to_string(), pattern);
        }
    }

    #[test]
    fn bad_templates_say_why() {
        for (text, why) in [
            ("", "use 1 to 255 bytes"),
            (&*"x".repeat(256), "use 1 to 255 bytes"),
            (&*format!("{}{{a}}", "x".repeat(255)), "use 1 to 255 bytes"),
            ("orders:*", "`*` cannot stand in one"),
            ("a\n{b}", "control characters"),
            ("a{b", "unbalanced braces; write `{{` and `}}`"),
            ("a}b", "unbalanced braces"),
            ("a{}", "`` is not a capture's name"),
            ("a{*rest}", "`*rest` is not a capture's name: write it as in the route's path, without `*`"),
            ("a{{b}", "unbalanced braces"),
        ] {
            let error = text.parse::<TopicTemplate>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn captures_fill_a_template() {
        assert_eq!(fill("orders:{id}", &[("x", "1"), ("id", "42")]).unwrap(), "orders:42");
        assert_eq!(fill("{a}{{}}{a}", &[("a", "ä")]).unwrap(), "ä{}ä");
        // What looks like a template, or like another plugin's topic, is the text of a topic of the plugin's own.
        assert_eq!(fill("{a}", &[("a", "{b}")]).unwrap(), "{b}");
        assert_eq!(fill("{a}", &[("a", "mail/sent")]).unwrap(), "mail/sent");
        assert_eq!(fill("{a}", &[("a", "../x")]).unwrap(), "../x");
        for value in ["*", "a*", "a\n", "a\0", "\u{7f}", "\u{85}", "", &"x".repeat(256)] {
            assert!(fill("{a}", &[("a", value)]).is_err(), "{value:?}");
        }
        assert!(fill("orders:{id}", &[("id", &"x".repeat(249))]).is_err());
        assert!(fill("orders:{id}", &[]).is_err());
    }
}
