//! Bounds the work of sanitising HTML, before it is done.
//!
//! A parser of HTML repeats elements that are not closed, and searches those that are open for each tag, so that a
//! hostile document of a megabyte could occupy a core for hours, or all memory. Here the same parser reads the
//! document without building its tree, and stops at a bound.

use std::{borrow::Cow, cell::Cell, rc::Rc};

use html5ever::{
    Attribute, ExpandedName, QualName, TokenizerResult,
    buffer_queue::BufferQueue,
    interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink, create_element},
    local_name, ns,
    tendril::StrTendril,
    tokenizer::{Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts},
    tree_builder::{TreeBuilder, TreeBuilderOpts},
};

/// The deepest nesting of elements. Lists in Markdown need up to 300 levels.
const MAX_DEPTH: usize = 320;

/// The maximum number of elements, repeated ones included.
const MAX_ELEMENTS: usize = 100_000;

/// The maximum size of the attributes that repeated elements add, in bytes.
const MAX_REPEATED: usize = 1 << 20;

/// The maximum number of words in one tag or comment. A tag of as many attributes takes milliseconds.
const MAX_WORDS: usize = 4096;

/// The maximum number of bytes that are read to escape characters. The parser's library reads the rest of a text
/// for each character of it that it escapes.
const MAX_ESCAPING: usize = 1 << 33;

/// The parser gets the document in pieces of this size, in bytes, and the bounds are checked after each.
const PIECE: usize = 1024;

/// Whether the work for this document is bounded.
pub(super) fn are_kept(html: &str) -> bool {
    let parser = Parser::new(html.len().saturating_add(MAX_REPEATED));
    let mut rest = html;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE));
        if !parser.read(piece) {
            return false;
        }
        rest = more;
    }
    parser.end()
}

struct Parser {
    tokenizer: Tokenizer<Tokens>,
    input: BufferQueue,
    max_attribute_bytes: usize,
}

impl Parser {
    /// As ammonia makes one, so that it sees the same document.
    fn new(max_attribute_bytes: usize) -> Self {
        let tree = Tree::default();
        let context = create_element(&tree, QualName::new(None, ns!(html), local_name!("div")), Vec::new());
        let builder = TreeBuilder::new_for_fragment(tree, context, None, TreeBuilderOpts::default());
        let initial_state = Some(builder.tokenizer_state_for_context_elem(false));
        let options = TokenizerOpts { initial_state, ..TokenizerOpts::default() };
        let tokens = Tokens { builder, words: Cell::new(0) };
        let tokenizer = Tokenizer::new(tokens, options);
        Self { tokenizer, input: BufferQueue::default(), max_attribute_bytes }
    }

    fn read(&self, piece: &str) -> bool {
        let separators = piece.bytes().filter(|byte| b"\t\n\x0c\r /\"'".contains(byte)).count();
        let words = &self.tokenizer.sink.words;
        words.set(words.get().saturating_add(separators));
        self.input.push_back(StrTendril::from_slice(piece));
        while !matches!(self.tokenizer.feed(&self.input), TokenizerResult::Done) {}
        self.is_bounded()
    }

    fn end(self) -> bool {
        self.tokenizer.end();
        self.is_bounded()
    }

    fn is_bounded(&self) -> bool {
        let Tokens { builder, words } = &self.tokenizer.sink;
        let tree = &builder.sink;
        words.get() <= MAX_WORDS
            && tree.depth.get() <= MAX_DEPTH
            && tree.elements.get() <= MAX_ELEMENTS
            && tree.escaping() <= MAX_ESCAPING
            && tree.attribute_bytes.get() <= self.max_attribute_bytes
    }
}

/// The tokens of the document, which pass to `builder`.
struct Tokens {
    builder: TreeBuilder<Handle, Tree>,
    /// The words since the last token.
    words: Cell<usize>,
}

impl TokenSink for Tokens {
    type Handle = Handle;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<Handle> {
        if !matches!(token, Token::ParseError(_)) {
            self.words.set(0);
        }
        self.builder.process_token(token, line)
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

type Handle = Rc<Node>;

/// An element, or another node without a name.
struct Node {
    name: QualName,
    depth: Cell<usize>,
    is_integration_point: bool,
}

impl Node {
    fn unnamed() -> Handle {
        let name = QualName::new(None, ns!(), local_name!(""));
        Rc::new(Self { name, depth: Cell::new(0), is_integration_point: false })
    }
}

/// What a tree would have.
struct Tree {
    document: Handle,
    elements: Cell<usize>,
    escaped: Cell<usize>,
    /// The text since the last element.
    text: Cell<TextSize>,
    attribute_bytes: Cell<usize>,
    depth: Cell<usize>,
}

impl Default for Tree {
    fn default() -> Self {
        let count = || Cell::new(0);
        Self {
            document: Node::unnamed(),
            elements: count(),
            escaped: count(),
            text: Cell::default(),
            attribute_bytes: count(),
            depth: count(),
        }
    }
}

/// The size of a text, in bytes.
#[derive(Clone, Copy, Default)]
struct TextSize {
    length: usize,
    /// The number of bytes at which the parser's library looks for characters to escape.
    escaped: usize,
}

impl TextSize {
    fn with(self, text: &str) -> Self {
        let escaped = text.bytes().filter(|byte| b"&<>\"\xc2".contains(byte)).count();
        Self { length: self.length.saturating_add(text.len()), escaped: self.escaped.saturating_add(escaped) }
    }

    fn escaping(self) -> usize {
        self.length.saturating_mul(self.escaped)
    }
}

impl Tree {
    fn place(&self, parent: &Node, child: &NodeOrText<Handle>) {
        match child {
            NodeOrText::AppendNode(node) => {
                let depth = parent.depth.get().saturating_add(1);
                node.depth.set(depth);
                self.depth.set(self.depth.get().max(depth));
            }
            NodeOrText::AppendText(text) => self.text.set(self.text.get().with(text)),
        }
    }

    fn escaping(&self) -> usize {
        self.escaped.get().saturating_add(self.text.get().escaping())
    }
}

impl TreeSink for Tree {
    type Handle = Handle;
    type Output = ();
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) {}

    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Rc::clone(&self.document)
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        target.name.expanded()
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> Handle {
        self.elements.set(self.elements.get().saturating_add(1));
        let bytes = attributes.iter().map(|attribute| attribute.value.len()).fold(0, usize::saturating_add);
        self.attribute_bytes.set(self.attribute_bytes.get().saturating_add(bytes));
        let escaping =
            attributes.iter().map(|attribute| TextSize::default().with(&attribute.value).escaping());
        self.escaped.set(escaping.fold(self.escaping(), usize::saturating_add));
        self.text.set(TextSize::default());
        let is_integration_point = flags.mathml_annotation_xml_integration_point;
        Rc::new(Node { name, depth: Cell::new(0), is_integration_point })
    }

    fn create_comment(&self, _text: StrTendril) -> Handle {
        Node::unnamed()
    }

    fn create_pi(&self, _target: StrTendril, _data: StrTendril) -> Handle {
        Node::unnamed()
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.place(parent, &child);
    }

    fn append_based_on_parent_node(&self, element: &Handle, previous: &Handle, child: NodeOrText<Handle>) {
        let deeper = if element.depth.get() > previous.depth.get() { element } else { previous };
        self.place(deeper, &child);
    }

    fn append_doctype_to_document(&self, _name: StrTendril, _public: StrTendril, _system: StrTendril) {}

    fn get_template_contents(&self, target: &Handle) -> Handle {
        Rc::clone(target)
    }

    fn same_node(&self, one: &Handle, other: &Handle) -> bool {
        Rc::ptr_eq(one, other)
    }

    fn set_quirks_mode(&self, _mode: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        self.place(sibling, &child);
    }

    fn add_attrs_if_missing(&self, _target: &Handle, _attributes: Vec<Attribute>) {}

    fn remove_from_parent(&self, _target: &Handle) {}

    fn reparent_children(&self, _node: &Handle, _parent: &Handle) {}

    fn is_mathml_annotation_xml_integration_point(&self, handle: &Handle) -> bool {
        handle.is_integration_point
    }
}
