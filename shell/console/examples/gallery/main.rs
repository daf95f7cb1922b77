//! Writes every page with made-up views into a folder, to be looked at: `cargo run -p console --example gallery -- DIR`.
//! The views here are examples of layout, not results (no page of the product reads them).

mod sample;

use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("gallery"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    for (name, page) in sample::pages() {
        write(&folder, &format!("{name}.html"), &local(&page))?;
    }
    for (name, plot) in sample::plots() {
        write(&folder, &format!("{name}.svg"), &plot)?;
    }
    write(&folder, "style.css", console::STYLESHEET)?;
    write(&folder, "live.js", console::SCRIPT)
}

/// The page with its stylesheet beside it, so that a browser can open the file without a server.
fn local(page: &str) -> String {
    page.replace(&format!("\"{}\"", console::path::STYLE), "\"style.css\"")
        .replace(&format!("\"{}\"", console::path::SCRIPT), "\"live.js\"")
}

fn write(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    std::fs::write(folder.join(name), text)
}
