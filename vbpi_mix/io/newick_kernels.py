"""Compiled readers of Newick text: bytes in, canonical children arrays out.

They accept only what is beyond doubt; for anything else a status is returned, and `newick.read_tree` finds the words
for it. Quoting follows `nexus_text`: a single quote opens a quoted word only where a word may begin, a double quote
where one closes it at the end of a word of the same line.
"""

import numpy as np

from vbpi_mix.compiled import kernel

READ, MULTIFURCATING, REFUSED, UNKNOWN_LABEL = 0, 1, 2, 3

_NEWLINE, _SPACE, _DOUBLE_QUOTE, _LESS, _GREATER = 10, 32, 34, 60, 62
_QUOTE, _OPEN, _CLOSE, _COMMA, _COLON, _SEMICOLON, _EQUALS = 39, 40, 41, 44, 58, 59, 61
_COMMENT, _COMMENT_END = 91, 93
_FNV_START, _FNV_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)


@kernel(inner=True)
def _double_quoted_end(buffer: np.ndarray, begin: int, end: int) -> int:
    """Position of the closing quote of the double-quoted word that begins at `begin`; -1: none, -2: it may follow
    later.
    """
    i = begin + 1
    while i < end and buffer[i] != _NEWLINE:
        if buffer[i] == _DOUBLE_QUOTE:
            if i + 1 == end:
                return i
            c = buffer[i + 1]
            if c <= _SPACE or c in (_OPEN, _CLOSE, _COMMA, _COLON, _SEMICOLON, _COMMENT, _LESS):
                return i
            return -1
        i += 1
    return -2 if i == end else -1


@kernel()
def split_statements(buffer: np.ndarray, statements: np.ndarray) -> tuple[int, int]:
    """Find the statements that end with a semicolon outside quotes and comments.

    Arguments:
        buffer: (n,) uint8 text that begins with a statement.
        statements: (most, 3) int64, filled with begin, first opening bracket (-1: none) and semicolon of each.

    Returns:
        How many statements were found, and where the text after the last one begins.
    """
    n, count, begin, bracket = len(buffer), 0, 0, -1
    depth, quoted, word_may_begin = 0, False, True
    i = 0
    while i < n:
        c = buffer[i]
        if quoted:
            if c == _QUOTE:
                if i + 1 < n and buffer[i + 1] == _QUOTE:
                    i += 1
                else:
                    quoted = False
                    word_may_begin = False
        elif depth > 0:
            if c == _COMMENT:
                depth += 1
            elif c == _COMMENT_END:
                depth -= 1
                word_may_begin = True
        elif c == _COMMENT:
            depth = 1
        elif c == _SEMICOLON:
            statements[count, 0], statements[count, 1], statements[count, 2] = begin, bracket, i
            count += 1
            begin, bracket, word_may_begin = i + 1, -1, True
            if count == len(statements):
                return count, begin
        elif c == _QUOTE and word_may_begin:
            quoted = True
        elif c == _DOUBLE_QUOTE and word_may_begin:
            stop = _double_quoted_end(buffer, i, n)
            if stop == -2:
                return count, begin
            i = max(i, stop)
            word_may_begin = False
        else:
            if c == _OPEN and bracket < 0:
                bracket = i
            word_may_begin = c <= _SPACE or c in (_OPEN, _CLOSE, _COMMA, _COLON, _EQUALS)
        i += 1
    return count, begin


@kernel()
def hash_labels(text: np.ndarray, ends: np.ndarray, slots: np.ndarray) -> None:
    """Enter labels into an open-addressing table.

    Arguments:
        text: (n,) uint8, the labels one after the other.
        ends: (L+1,) int64, label i is text[ends[i]:ends[i+1]].
        slots: (power of two,) int32, filled with label numbers, -1 where empty.
    """
    slots[:] = -1
    mask = np.uint64(len(slots) - 1)
    for label in range(len(ends) - 1):
        code = _FNV_START
        for i in range(ends[label], ends[label + 1]):
            code = (code ^ np.uint64(text[i])) * _FNV_PRIME
        slot = (code ^ (code >> np.uint64(32))) & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = label


@kernel(inner=True)
def _find_label(buffer: np.ndarray, begin: int, end: int, text: np.ndarray, ends: np.ndarray, slots: np.ndarray) -> int:
    mask = np.uint64(len(slots) - 1)
    code = _FNV_START
    for i in range(begin, end):
        code = (code ^ np.uint64(buffer[i])) * _FNV_PRIME
    slot = (code ^ (code >> np.uint64(32))) & mask
    while slots[slot] >= 0:
        label = int(slots[slot])
        if ends[label + 1] - ends[label] == end - begin:
            same = True
            for i in range(end - begin):
                if text[ends[label] + i] != buffer[begin + i]:
                    same = False
                    break
            if same:
                return label
        slot = (slot + np.uint64(1)) & mask
    return -1


@kernel(inner=True)
def _label_end(buffer: np.ndarray, begin: int, end: int) -> int:
    """End of the label or number that begins at `begin`; -1 for a quoted one without an end, or one with <."""
    i = begin
    if buffer[i] == _DOUBLE_QUOTE:
        stop = _double_quoted_end(buffer, i, end)
        if stop >= 0:
            return stop + 1
    if buffer[i] == _QUOTE:
        i += 1
        while i < end:
            if buffer[i] == _QUOTE:
                if i + 1 < end and buffer[i + 1] == _QUOTE:
                    i += 1
                else:
                    return i + 1
            i += 1
        return -1
    while i < end:
        c = buffer[i]
        if c <= _SPACE or c in (_OPEN, _CLOSE, _COMMA, _COLON, _COMMENT):
            return i
        if c == _LESS:
            return -1
        i += 1
    return end


@kernel(inner=True)
def _read_nodes(
    buffer: np.ndarray,
    begin: int,
    end: int,
    text: np.ndarray,
    ends: np.ndarray,
    slots: np.ndarray,
    taxon_of_label: np.ndarray,
    up: np.ndarray,
    kids: np.ndarray,
    degree: np.ndarray,
) -> tuple[int, int, int, int]:
    """Read one tree into parent and child arrays (node N is the root); returns status, inner nodes, label's span."""
    n_taxa = (len(up) + 1) // 2
    up[:] = -1
    degree[:] = 0
    inner, tips, node = 0, 0, -1
    # 0: a subtree must begin, 1: it ended, 2: it ended with a bracket and a label may follow, 3: its length was read,
    # 4: its length must follow
    state = 0
    multifurcating = False
    i = begin
    while i < end:
        c = buffer[i]
        if c <= _SPACE:
            i += 1
            continue
        if c == _COMMENT:
            depth = 0
            while i < end:
                if buffer[i] == _COMMENT:
                    depth += 1
                elif buffer[i] == _COMMENT_END:
                    depth -= 1
                    if depth == 0:
                        break
                i += 1
            if depth > 0:
                return REFUSED, inner, 0, 0
            i += 1
            continue
        if c == _LESS and state != 0 and state != 4:  # an annotation <name = value>
            named = False
            i += 1
            while i < end and buffer[i] != _GREATER and buffer[i] != _LESS:
                named = named or buffer[i] == _EQUALS
                i += 1
            if i == end or buffer[i] == _LESS or not named:
                return REFUSED, inner, 0, 0
            i += 1
            continue
        child = -1
        if c == _OPEN:
            if state != 0 or n_taxa + inner >= len(up) or (node < 0 and inner > 0):
                return REFUSED, inner, 0, 0
            child = n_taxa + inner
            inner += 1
            i += 1
        elif c in (_CLOSE, _COMMA):
            if state == 0 or state == 4 or node < 0:
                return REFUSED, inner, 0, 0
            if c == _CLOSE:
                if degree[node] < 2:
                    return REFUSED, inner, 0, 0
                node = up[node]
            state = 2 if c == _CLOSE else 0
            i += 1
            continue
        elif c == _COLON:
            if state == 0 or state > 2:
                return REFUSED, inner, 0, 0
            state = 4
            i += 1
            continue
        else:
            stop = _label_end(buffer, i, end)
            if stop < 0 or state == 1 or state == 3 or (state == 0 and node < 0):
                return REFUSED, inner, 0, 0
            if state != 0:  # a length, which is passed over, or the label of an inner node
                state = 3 if state == 4 else 1
                i = stop
                continue
            label = _find_label(buffer, i, stop, text, ends, slots)
            if label < 0:
                return UNKNOWN_LABEL, inner, i, stop
            child = taxon_of_label[label]
            if child < 0 or up[child] >= 0:
                return REFUSED, inner, 0, 0
            tips += 1
            i = stop
        # hang the new node below the open one
        if node >= 0:
            up[child] = node
            if degree[node] < (3 if node == n_taxa else 2):
                kids[node, degree[node]] = child
            else:
                multifurcating = True
            degree[node] += 1
        if child >= n_taxa:
            node = child
        else:
            state = 1
    if node >= 0 or state == 0 or state == 4 or tips != n_taxa:
        return REFUSED, inner, 0, 0
    return MULTIFURCATING if multifurcating else READ, inner, 0, 0


@kernel(inner=True)
def _canonical(
    up: np.ndarray,
    kids: np.ndarray,
    degree: np.ndarray,
    order: np.ndarray,
    source: np.ndarray,
    lowest: np.ndarray,
    size: np.ndarray,
    number: np.ndarray,
    children: np.ndarray,
) -> None:
    """Canonical children (see `phylo.topology`) of a tree read by `_read_nodes`; the other arrays are workspace."""
    n_taxa = len(children) + 2
    root = n_taxa
    if degree[root] == 2:
        a, b = kids[root, 0], kids[root, 1]
        up[a], up[b] = b, a
    else:
        up[root] = kids[root, 2]
    order[0], source[0] = up[0], 0
    count, i = 1, 0
    while i < count:
        node, above = order[i], source[i]
        i += 1
        if node >= n_taxa:
            for j in range(3):
                other = up[node] if j == 2 else kids[node, j]
                if other != above:
                    order[count], source[count] = other, node
                    count += 1
    for i in range(count):
        node = order[i]
        lowest[node] = node if node < n_taxa else n_taxa
        size[node] = 0 if node < n_taxa else 1
    for i in range(count - 1, 0, -1):
        node, above = order[i], source[i]
        lowest[above] = min(lowest[above], lowest[node])
        size[above] += size[node]
    # a node's number in post-order: its right subtree ends just before it, its left one before that
    number[order[0]] = 2 * n_taxa - 3
    for i in range(count):
        node, above = order[i], source[i]
        if node < n_taxa:
            continue
        left = right = -1
        for j in range(3):
            other = up[node] if j == 2 else kids[node, j]
            if other != above:
                if left < 0:
                    left = other
                else:
                    right = other
        if lowest[left] > lowest[right]:
            left, right = right, left
        number[right] = right if right < n_taxa else number[node] - 1
        number[left] = left if left < n_taxa else number[node] - 1 - size[right]
        row = number[node] - n_taxa
        children[row, 0], children[row, 1] = number[left], number[right]


@kernel()
def read_topologies(
    buffer: np.ndarray,
    spans: np.ndarray,
    first: int,
    text: np.ndarray,
    ends: np.ndarray,
    slots: np.ndarray,
    taxon_of_label: np.ndarray,
    children: np.ndarray,
    status: np.ndarray,
) -> tuple[int, int, int]:
    """Read trees from number `first` on until a label turns up that the table does not hold.

    Arguments:
        buffer: (n,) uint8 text.
        spans: (T, 2) int64, begin and end of each tree, without its semicolon.
        first: the tree to begin with.
        text: label table, see `hash_labels`.
        ends: label table.
        slots: label table.
        taxon_of_label: (L,) int32 taxon of each label, -1 for none.
        children: (T, N-2, 2) int32, written for the trees whose status is READ.
        status: (T,) uint8, written.

    Returns:
        The tree to go on with (T when done), and begin and end of the unknown label in it.
    """
    n_taxa = children.shape[1] + 2
    n_nodes = 2 * n_taxa - 1
    up, degree = np.empty(n_nodes, np.int32), np.empty(n_nodes, np.int32)
    kids = np.empty((n_nodes, 3), np.int32)
    order, source = np.empty(n_nodes, np.int32), np.empty(n_nodes, np.int32)
    lowest, size, number = np.empty(n_nodes, np.int32), np.empty(n_nodes, np.int32), np.empty(n_nodes, np.int32)
    for tree in range(first, len(spans)):
        result, inner, begin, stop = _read_nodes(
            buffer, spans[tree, 0], spans[tree, 1], text, ends, slots, taxon_of_label, up, kids, degree
        )
        if result == UNKNOWN_LABEL:
            return tree, begin, stop
        if result == READ and inner != (n_taxa - 1 if degree[n_taxa] == 2 else n_taxa - 2):
            result = REFUSED
        status[tree] = result
        if result == READ:
            _canonical(up, kids, degree, order, source, lowest, size, number, children[tree])
    return len(spans), 0, 0
