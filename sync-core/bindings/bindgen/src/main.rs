//! Build step of the browser side: `sync-core-bindgen IN.wasm OUT_DIR` writes the module and its JavaScript glue.
//!
//! It is a crate of the workspace rather than an installed tool so that Cargo.lock keeps it at the very version of
//! `wasm-bindgen` that the module was compiled with; any other version refuses the module.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, out_dir] = arguments.as_slice() else {
        eprintln!("usage: sync-core-bindgen IN.wasm OUT_DIR");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    // Without the default path, `init()` would need to be told where the module is; with it, it finds its neighbour.
    bindgen
        .input_path(module)
        .typescript(true)
        .omit_default_module_path(false);
    match bindgen
        .web(true)
        .and_then(|bindgen| bindgen.generate(out_dir))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sync-core-bindgen: {module}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
