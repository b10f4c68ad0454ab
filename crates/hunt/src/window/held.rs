//! What arrays hold in memory.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, GenericByteViewArray};
use arrow::datatypes::{BinaryViewType, ByteViewType, DataType, StringViewType};
use arrow::record_batch::RecordBatch;

/// Text that sorting has put together refers to all of what was sorted. This one has its own.
pub(super) fn compact(array: ArrayRef) -> ArrayRef {
    fn own<T: ByteViewType>(array: &ArrayRef, views: &GenericByteViewArray<T>) -> ArrayRef {
        let whole: usize = views.data_buffers().iter().map(arrow::buffer::Buffer::len).sum();
        match whole > 2 * views.total_buffer_bytes_used() {
            true => Arc::new(views.gc()),
            false => Arc::clone(array),
        }
    }
    match array.data_type() {
        DataType::Utf8View => own::<StringViewType>(&array, array.as_string_view()),
        DataType::BinaryView => own::<BinaryViewType>(&array, array.as_binary_view()),
        _ => array,
    }
}

/// Bytes of an array's own rows; of what it shares with other slices, its share.
pub(super) fn size(array: &ArrayRef) -> usize {
    let data = array.to_data();
    let apart = match array.data_type() {
        DataType::Utf8View => array.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => array.as_binary_view().total_buffer_bytes_used(),
        _ => 0,
    };
    data.get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()) + apart
}

/// Bytes of a batch's own rows.
pub(super) fn batch_size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(size).sum()
}
