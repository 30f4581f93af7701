//! stub
mod shader;
