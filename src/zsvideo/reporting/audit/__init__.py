"""What an audit leaves behind: a page, tables and Fig. 2 and 3."""
